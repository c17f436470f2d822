"""Every data set with every command: init, validate, check, run, evaluate, predict."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import made_data
import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image
from recipe_text import recipe_text

import tlkit
from tlkit.registry import Registry

_SMALL = (
    "input.image_size=32",
    "input.batch_size=4",
    "input.test=0",
    "input.validation=0.25",
    "schedule.epochs=1",
)


class Kind(NamedTuple):
    """A data set of the grid.

    Args:
        write: writes the data below a folder, and returns the path to give; None: the data set needs none.
        task: the task that ``tlkit init`` chooses, or that of the recipe.
        classes: the classes that a run reports.
        init: whether ``tlkit init`` recognises it; otherwise the test writes the recipe.
        elsewhere: whether ``tlkit evaluate --data`` reads the same data given as other data.
    """

    write: Callable[[Path], Path] | None
    task: str
    classes: tuple[str, ...] | None = None
    init: bool = True
    elsewhere: bool = True


_COLORED = ("background", *made_data.CLASSES)
_LABELS = tuple(sorted(made_data.CLASSES))
GRID = {
    "folder": Kind(made_data.class_folders, "classification", _LABELS),
    "masks": Kind(made_data.mask_folders, "segmentation", ("background", "class_1", "class_2")),
    "csv": Kind(made_data.label_table, "classification", _LABELS),
    "npz": Kind(made_data.npz, "classification", _LABELS),
    "oxford_pets": Kind(made_data.oxford_pets, "segmentation", ("pet", "background", "border")),
    "cats_vs_dogs": Kind(made_data.cats_vs_dogs, "classification", ("cat", "dog"), init=False),
    "fashion_mnist": Kind(made_data.published((28, 28), 10), "classification", init=False),
    "cifar10": Kind(made_data.published((32, 32, 3), 10), "classification", init=False),
    "cifar100": Kind(made_data.published((32, 32, 3), 100), "classification", init=False),
    "digits": Kind(None, "classification", init=False),
    "digit_scenes": Kind(None, "segmentation", ("background", "digit"), init=False),
    "coco": Kind(made_data.coco, "segmentation", _COLORED),
    "labelme": Kind(made_data.labelme, "segmentation", ("background", *_LABELS)),
    "voc": Kind(made_data.voc, "segmentation", _COLORED),
    "cvat": Kind(made_data.cvat, "segmentation", _COLORED),
    "roboflow": Kind(made_data.roboflow, "segmentation", _COLORED),
    "label_studio": Kind(made_data.label_studio, "segmentation", ("background", *_LABELS)),
    "supervisely": Kind(made_data.supervisely, "segmentation", _COLORED),
    "imagefolder": Kind(made_data.imagefolder, "classification", _LABELS),
}


def test_the_grid_has_every_data_set(registry: Registry):
    assert set(registry.names(tlkit.Dataset)) == set(GRID)


def succeeded(*arguments: object) -> str:
    """Run a command that must succeed; return what it printed."""
    outcome = tlkit_command(*arguments)
    assert outcome.code == 0, outcome.err + outcome.out
    return outcome.out


def rows_of(file: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    return list(csv.DictReader(Path(file).read_text(encoding="utf-8").splitlines()))


def written_recipe(name: str, kind: Kind, path: Path | None) -> Path:
    """Return the recipe that ``tlkit init`` writes, or one written by hand."""
    file = Path(f"{name}.toml")
    if kind.init:
        succeeded("init", path, "--backbone", "small_encoder", "--out", file)
        return file
    data: dict[str, object] = {"name": name} if path is None else {"name": name, "path": path}
    if name == "digit_scenes":
        data["count"] = 20
    head = {"name": "unet"} if kind.task == "segmentation" else {"name": "linear"}
    file.write_text(recipe_text(name="grid", task=kind.task, data=data, head=head), encoding="utf-8")
    return file


SLOW = {"cifar100", "cvat", "fashion_mnist", "imagefolder", "label_studio", "labelme", "roboflow", "supervisely", "voc"}
"""Like others of the grid: cifar10 and coco."""


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.slow) if each in SLOW else each for each in GRID]
)
def test_a_data_set_works_with_every_command(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kind = GRID[name]
    path = None if kind.write is None else kind.write(tmp_path / "data")
    recipe = written_recipe(name, kind, path)
    assert f'name = "{name}"' in recipe.read_text(encoding="utf-8")
    succeeded("validate", recipe)
    assert "used" in succeeded("check", recipe)
    small = [part for each in _SMALL for part in ("--set", each)]
    succeeded("run", recipe, *small, "--out", "run")

    card = json.loads(Path("run/model.json").read_text(encoding="utf-8"))
    assert card["task"] == kind.task
    if kind.classes is not None:
        assert tuple(card["classes"]) == kind.classes
    assert {row["status"] for row in rows_of("run/samples.csv")} == {"used"}

    succeeded("evaluate", "run")
    if path is not None and kind.elsewhere:
        # Nothing is left where the run's own data was.
        moved = (tmp_path / "data").rename(tmp_path / "moved") / path.relative_to(tmp_path / "data")
        assert "images measured" in tlkit_command("evaluate", "run", "--data", moved).err
    new = next(made_data.pictures())
    made_data.save(new.pixels, tmp_path / "new" / "a.png")
    if kind.task == "segmentation":
        succeeded("predict", "run", "new", "--out", "masks")
        mask = np.asarray(Image.open("masks/masks/a.png"))
        assert mask.shape == (made_data.HEIGHT, made_data.WIDTH)
    else:
        succeeded("predict", "run", "new", "--out", "predicted.csv")
        (row,) = rows_of("predicted.csv")
        assert row["label"] in card["classes"]
