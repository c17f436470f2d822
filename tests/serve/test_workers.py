"""The threads that predict what a server is sent."""

from __future__ import annotations

import threading

import pytest
from PIL import Image
from served_runs import COLORS, picture, served_app

from tlkit.serve import workers
from tlkit.serve.bodies import SentImage
from tlkit.serve.bounds import Bounds


@pytest.fixture
def served(run):
    """A server of the run that classifies."""
    with served_app(run) as (served, _):
        yield served


def test_no_thread_is_started_for_an_image(served, monkeypatch):
    started = []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (started.append(thread.name), start(thread)))
    answers = [served.workers.submit(SentImage("image", picture(color))) for color in COLORS]
    assert [each.result(60).label for each in answers] == list(COLORS)
    assert started == []


def test_the_header_of_an_image_is_read_once(served, monkeypatch):
    opened = []
    read = Image.open
    monkeypatch.setattr(Image, "open", lambda *given: (opened.append(given), read(*given))[1])
    assert served.workers.submit(SentImage("image", picture("green"))).result(60).label == "green"
    assert len(opened) == 1


def test_only_a_large_image_keeps_other_large_ones_waiting_while_it_is_decoded(served, monkeypatch):
    monkeypatch.setattr(workers, "_LARGE", 40 * 30)
    alone = []
    decode = workers.picture_to_size

    def watched(*given):
        alone.append(served.workers._large.locked())
        return decode(*given)

    monkeypatch.setattr(workers, "picture_to_size", watched)
    for size in ((40, 30), (40, 31)):
        assert served.workers.submit(SentImage("image", picture("blue", size))).result(60).label == "blue"
    assert alone == [False, True]


def test_an_image_with_too_many_pixels_is_refused_before_it_is_decoded(run, monkeypatch):
    monkeypatch.setattr(workers, "picture_to_size", lambda *_given: pytest.fail("decoded"))
    with served_app(run, Bounds(megapixels=0.001)) as (served, _):
        error = served.workers.submit(SentImage("a.png", picture("red"))).result(60).error
    assert error == "a.png: too large: 40 x 30 pixels; at most 1000 are allowed"
