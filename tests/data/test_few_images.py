"""Data with next to nothing in it: it is split, or refused with a reason; never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from recipe_text import recipe_text

from tlkit import DataError
from tlkit.contracts import Split
from tlkit.data.run_data import Data
from tlkit.jobs.folds.splits import fold_notes, fold_splits
from tlkit.jobs.from_recipe import open_data
from tlkit.recipe.load import parse_recipe
from tlkit.registry import Registry

Make = Callable[[int, int], np.ndarray]


def noise(seed: int, side: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def distinct(place: int, label: int) -> np.ndarray:
    return noise(place)


def one_pixel(place: int, label: int) -> np.ndarray:
    return noise(place, 1)


def same_pixel(place: int, label: int) -> np.ndarray:
    return noise(0, 1)


def one_colour(place: int, label: int) -> np.ndarray:
    return np.full((40, 40, 3), 7, np.uint8)


def colours(place: int, label: int) -> np.ndarray:
    return np.full((40, 40, 3), place, np.uint8)


def one_picture(place: int, label: int) -> np.ndarray:
    return noise(0)


def picture_of_class(place: int, label: int) -> np.ndarray:
    return noise(label)


@pytest.fixture
def opened(registry: Registry, tmp_path: Path) -> Callable[..., Data]:
    def make(data: dict[str, object], *overrides: str, task: str = "classification") -> Data:
        head = {"head": {"name": "unet"}} if task == "segmentation" else {}
        text = recipe_text(name="x", task=task, data=data, **head)
        (tmp_path / "store").mkdir(exist_ok=True)
        recipe = parse_recipe(text, registry, ["input.image_size=16", *overrides])
        return open_data(recipe, tmp_path / "store")

    return make


@pytest.mark.parametrize("checked", ["true", "false"])
@pytest.mark.parametrize(
    ("counts", "make", "overrides", "error"),
    [
        ((6, 6), one_pixel, (), ""),
        ((6, 6), same_pixel, (), ""),
        ((6, 6), one_colour, (), ""),
        ((6, 6), colours, (), ""),
        ((6, 6), one_picture, (), ""),
        ((6, 6), picture_of_class, (), ""),
        ((6, 6), distinct, ("input.validation=1",), ""),
        ((6, 6), distinct, ("input.validation=1", "input.test=1"), ""),
        ((6, 6), distinct, ("input.validation=11",), ""),
        ((6, 6), distinct, ("input.validation=0",), ""),
        ((6, 6), distinct, ("input.validation=12",), "leaves nothing to train on"),
        ((9, 1), distinct, (), ""),
        ((1,) * 8, distinct, (), ""),
        ((1, 1), distinct, (), "less than one image"),
        ((1, 1), distinct, ("input.validation=0",), ""),
        ((1,), distinct, (), "only one class"),
        ((6, 6), distinct, ("input.group_pattern=(png)$",), "in one group"),
        ((6, 6), distinct, ("input.group_pattern=^(.)/",), "of one class|are of a"),
        ((6, 6), distinct, ("input.group_pattern=^(.*)$",), ""),
    ],
)
def test_classes(
    opened: Callable[..., Data],
    tmp_path: Path,
    counts: tuple[int, ...],
    make: Make,
    overrides: tuple[str, ...],
    error: str,
    checked: str,
) -> None:
    place = 0
    for label, count in enumerate(counts):
        for _ in range(count):
            file = tmp_path / "photos" / "abcdefgh"[label] / f"{place:03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(make(place, label)).save(file)
            place += 1
    arguments = {"name": "folder", "path": tmp_path / "photos"}, f"check.before_run={checked}", *overrides
    if error:
        with pytest.raises(DataError, match=error):
            opened(*arguments)
        return
    data = opened(*arguments)
    assert len(data.samples) == sum(counts)
    assert (data.splits == "train").any()
    assert set(data.splits.tolist()) <= set(get_args(Split))
    for folds in (2, 6, 50):
        try:
            made = fold_splits(data, folds, seed=0)
        except DataError as refused:
            assert str(refused).startswith(f"--folds {folds}: ")
        else:
            assert all(set(each.tolist()) <= {"train", "validation", "test"} for each in made)
            assert all((each == "validation").any() for each in made)
            fold_notes(data, made)


@pytest.mark.parametrize("checked", ["true", "false"])
@pytest.mark.parametrize(
    ("count", "mask", "error"),
    [
        (6, lambda place: np.full((1, 1), place % 2, np.uint8), ""),
        (6, lambda place: noise(place, 20)[..., 0] % 2, ""),
        (6, lambda place: np.full((20, 20), 255, np.uint8), "ignored"),
        (1, lambda place: noise(place, 20)[..., 0] % 2, "less than one image"),
    ],
)
def test_masks(
    opened: Callable[..., Data],
    tmp_path: Path,
    count: int,
    mask: Callable[[int], np.ndarray],
    error: str,
    checked: str,
) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for place in range(count):
        classes = mask(place)
        Image.fromarray(classes).save(tmp_path / "masks" / f"{place}.png")
        Image.fromarray(noise(place, len(classes))).save(tmp_path / "images" / f"{place}.png")
    data = {"name": "masks", "images": tmp_path / "images", "masks": tmp_path / "masks"}
    data |= {"values": {"0": "a", "1": "b"}, "ignore": ["255"]}
    if error:
        with pytest.raises(DataError, match=error):
            opened(data, f"check.before_run={checked}", task="segmentation")
    else:
        assert len(opened(data, f"check.before_run={checked}", task="segmentation").samples) == count
