"""``tlkit serve --watch``: images that appear in a folder are predicted once, whole, and by this model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image
from served_runs import picture, served_app

from tlkit.serve.watching import Watched, Watching


class Folder:
    """A watched folder whose clock the test sets."""

    def __init__(self, root: Path, workers: Any) -> None:
        self.inside, self.out, self.said, self._workers = root / "in", root / "in" / "predictions", [], workers
        self.inside.mkdir(exist_ok=True)
        self.now = 0.0
        self.restart()

    def restart(self, model: str = "m") -> None:
        """Forget all, as a process that starts again."""
        self.watching = Watching(Watched(self.inside, self.out, model), self._workers, self.said.append)

    def put(self, name: str, content: bytes) -> Path:
        path = self.inside / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    def look(self, seconds: float = 2.0) -> int:
        """Look at the folder now, and again some seconds later; return how many images were predicted."""
        first = self.watching.look(self.now)
        self.now += seconds
        return first + self.watching.look(self.now)

    def result(self, name: str) -> Any:
        return json.loads((self.out / f"{name}.json").read_text())


@pytest.fixture
def folder(run: Path, tmp_path: Path) -> Iterator[Folder]:
    with served_app(run) as (served, _):
        yield Folder(tmp_path, served.workers)


def test_images_are_predicted_once_at_any_depth(folder):
    folder.put("a.png", picture("green"))
    folder.put("deep/b.jpg", picture("blue", kind="JPEG"))
    folder.put("notes.txt", b"no image")
    assert folder.look() == 2
    assert folder.look() == 0
    assert folder.result("a.png")["label"] == "green"
    assert folder.result("deep/b.jpg")["label"] == "blue"
    assert folder.result("deep/b.jpg")["path"] == "deep/b.jpg"
    assert sorted(file.name for file in folder.out.rglob("*") if file.is_file()) == ["a.png.json", "b.jpg.json"]


def test_a_restart_predicts_only_what_is_new(folder):
    folder.put("a.png", picture("green"))
    assert folder.look() == 1
    folder.restart()
    folder.put("b.png", picture("red"))
    assert folder.look() == 1
    folder.restart("another model")
    assert folder.look() == 2


def test_a_changed_image_is_predicted_again(folder):
    folder.put("a.png", picture("green"))
    assert folder.look() == 1
    folder.put("a.png", picture("blue", (50, 50)))
    assert folder.look() == 1
    assert folder.result("a.png")["label"] == "blue"


def test_a_half_written_image_is_waited_for(folder):
    whole = picture("green", (400, 300), "JPEG")
    folder.put("a.jpg", whole[:1000])
    assert folder.look() == 0
    assert folder.look(10) == 0
    assert not folder.out.exists()
    folder.put("a.jpg", whole)
    assert folder.watching.look(folder.now) == 0  # it has just changed
    assert folder.look() == 1
    assert folder.result("a.jpg")["label"] == "green"


def test_a_damaged_image_is_given_up_after_a_minute(folder):
    folder.put("a.jpg", b"damaged")
    assert folder.look(30) == 0
    assert folder.look(31) == 1
    assert folder.result("a.jpg")["error"].startswith("a.jpg: not an image")
    assert folder.look() == 0


def test_a_file_of_somebody_else_is_never_replaced(folder):
    folder.put("a.png", picture("green"))
    mine = folder.put("predictions/a.png.json", b'{"mine": 1}')
    folder.put("b.png", picture("green"))
    assert folder.look() == 1
    assert folder.look() == 0
    assert [text.rpartition("/")[2] for text in folder.said] == [
        "a.png.json: is no prediction of tlkit, and was not changed; move it away"
    ]
    assert mine.read_bytes() == b'{"mine": 1}'


def test_an_image_that_goes_away_is_no_problem(folder):
    path = folder.put("a.png", picture("green"))
    folder.watching.look(0)
    path.unlink()
    os.mkfifo(folder.inside / "pipe.png")
    (folder.inside / "gone.png").symlink_to("nowhere.png")
    folder.now = 5.0
    assert folder.look() == 0


def test_a_mask_is_written_beside_its_prediction(mask_run, tmp_path):
    with served_app(mask_run) as (served, _):
        folder = Folder(tmp_path, served.workers)
        folder.put("a.png", picture("blue"))
        assert folder.look() == 1
    found = folder.result("a.png")
    assert found["shares"]["blue"] == 1.0
    mask = np.asarray(Image.open(folder.out / found["mask"]))
    assert mask.shape == (30, 40)
    assert (mask == 2).all()


def test_masks_are_not_predicted_however_their_folder_is_written(mask_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with served_app(mask_run) as (served, _):
        folder = Folder(Path(), served.workers)
        folder.out = tmp_path / "in" / "predictions"
        folder.restart()
        folder.put("a.png", picture("blue"))
        assert folder.look() == 1
        assert folder.look() == 0


@pytest.mark.parametrize("out", ["in", ".", "in/../in"])
def test_predictions_are_not_written_around_the_watched_folder(run, tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    outcome = tlkit_command("serve", run, "--port", 0, "--watch", tmp_path / "in", "--watch-out", out)
    assert outcome.code == 2
    assert f"--watch-out {Path(out)}: holds the watched folder {tmp_path / 'in'}" in outcome.err


def test_an_image_whose_prediction_can_have_no_file_stops_no_other(folder):
    folder.put("a.png", picture("green"))
    folder.put("b.png", picture("green"))
    folder.put(f"{'c' * 250}.png", picture("green"))
    folder.put("sub/d.png", picture("green"))
    folder.put("z.png", picture("green"))
    (folder.out / "a.png.json").mkdir(parents=True)
    (folder.out / "sub").write_text("mine")
    os.mkfifo(folder.out / "b.png.json")
    assert folder.look() == 1
    assert folder.look() == 0
    assert folder.result("z.png")["label"] == "green"
    assert len(folder.said) == 4


@pytest.mark.parametrize("text", ['{"bytes": 1e999, "modified_ns": 1, "model": "m"}', "[" * 100_000])
def test_a_strange_file_of_somebody_else_is_left_as_it_is(folder, text):
    folder.put("a.png", picture("green"))
    mine = folder.put("predictions/a.png.json", text.encode())
    assert folder.look() == 0
    assert mine.read_text() == text
