"""Images that are computed one at a time in each of several threads."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tlkit.models.image_by_image import ImageByImage

IMAGES = np.arange(8, dtype=np.float32).reshape(8, 1, 1, 1)


class Workers:
    """Makes workers that add one, and notes when each begins and ends; the first image takes its time, or fails."""

    def __init__(self, *, failing: bool = False) -> None:
        self.failing, self.seen = failing, []

    def __call__(self):
        self.seen.append("made")
        return Worker(self)


class Worker:
    shapes = ((),)

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def __call__(self, image):
        seen = self._workers.seen
        first = "begun" not in seen
        seen.append("begun")
        if first:
            time.sleep(0.3)
        seen.append("ended")
        if first and self._workers.failing:
            raise ValueError("the first image")
        return [image.reshape(1)[0] + 1]


def test_the_first_image_is_computed_before_another_thread_begins_or_makes_a_worker():
    workers = Workers()
    network = ImageByImage(workers, threads=4)
    [found] = network(IMAGES)
    assert found.tolist() == list(range(1, 9))
    assert workers.seen[:3] == ["made", "begun", "ended"]
    assert workers.seen.count("made") > 1


def test_a_first_image_that_fails_leaves_no_thread_waiting():
    workers = Workers(failing=True)
    network = ImageByImage(workers, threads=4)
    with pytest.raises(ValueError, match="the first image"):
        network(IMAGES)
    [found] = network(IMAGES)
    assert found.tolist() == list(range(1, 9))


def test_one_image_is_computed_in_the_calling_thread():
    workers = Workers()
    network = ImageByImage(workers, threads=2)
    for image in IMAGES[:2]:
        assert network.of_one(image)[0] == image.item() + 1
    assert workers.seen == ["made", "begun", "ended", "made", "begun", "ended"]
