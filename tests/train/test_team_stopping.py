"""A signal to one worker stops all at the same step; any number of workers goes on from there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from recipe_text import recipe_text
from teams import finish, largest_difference, start, trained, variables, write_images

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> tuple[Path, Path, Path]:
    """The recipe, an undisturbed run of two workers, and one that a signal to worker 1 stopped in its second epoch."""
    root = tmp_path_factory.mktemp("stopped")
    labels, _ = write_images(root)
    recipe = root / "small.toml"
    text = recipe_text(
        data={"name": "npz", "path": labels},
        input={"image_size": 16, "batch_size": 31},
        backbone={"name": "small_cnn", "filters": [8], "dropout": 0.2, "weights": "none"},
        schedule={"name": "full", "epochs": 3, "learning_rate": 0.01},
        augment=[{"name": "basic"}],
        train={"cache": "off"},
    )
    recipe.write_text(text, encoding="utf-8")
    whole = trained(2, root / "whole", [recipe]) / "small"
    folder = root / "stopped"
    folder.mkdir()
    workers = start(2, folder, [recipe], TEAM_STOP="1:9")
    outputs = finish(workers)
    assert [worker.returncode for worker in workers] == [143, 143], outputs
    return recipe, whole, folder


def resumed(stopped: Path, size: int, recipe: Path) -> Path:
    folder = stopped.with_name(f"resumed-{size}")
    shutil.copytree(stopped, folder)
    workers = start(size, folder, [recipe])
    outputs = finish(workers)
    assert [worker.returncode for worker in workers] == [0] * size, outputs
    return folder / "small"


def test_the_same_workers_end_with_the_same_bytes(stopped):
    recipe, whole, folder = stopped
    again = resumed(folder, 2, recipe)
    ours, theirs = variables(again), variables(whole)
    assert {name: values.tobytes() for name, values in ours.items()} == {
        name: values.tobytes() for name, values in theirs.items()
    }
    assert (again / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


@pytest.mark.parametrize("size", [1, 3])
def test_other_numbers_of_workers_go_on_to_the_same_weights(stopped, size):
    recipe, whole, folder = stopped
    assert largest_difference(resumed(folder, size, recipe), whole) <= 1e-4
