"""Every shipped recipe: its first comment, its model, and two training steps on a tiny substitute for its data."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkit.jobs import from_recipe
from tlkit.recipe import catalog
from tlkit.recipe.load import load_recipe
from tlkit.runs.folder import RunFolder
from tlkit.system.progress import Reporter

NAMES = [recipe.name for recipe in catalog.shipped()]
COUNT = 12


def arrays(file: Path, side: int, classes: int, channels: tuple[int, ...]) -> Path:
    random = np.random.default_rng(0)
    found = {}
    for split in ("train", "test"):
        found[f"x_{split}"] = random.integers(0, 256, (COUNT, side, side, *channels), dtype=np.uint8)
        found[f"y_{split}"] = np.arange(COUNT, dtype=np.int64) % min(classes, 6)  # two images of each class
    np.savez(file, **found)
    return file


def photo(file: Path, number: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)


def photos(folder: Path, classes: tuple[str, ...]) -> Path:
    for number in range(COUNT):
        photo(folder / classes[number % len(classes)] / f"{number}.jpg", number)
    return folder


def pets(folder: Path) -> Path:
    lines = []
    for number in range(COUNT):
        name = f"Abyssinian_{number}"
        photo(folder / "images" / f"{name}.jpg", number)
        trimap = np.random.default_rng(number).integers(1, 4, (40, 50), dtype=np.uint8)
        (folder / "annotations" / "trimaps").mkdir(parents=True, exist_ok=True)
        Image.fromarray(trimap).save(folder / "annotations" / "trimaps" / f"{name}.png")
        lines.append(f"{name} 1 1 1")
    (folder / "annotations" / "trainval.txt").write_text("\n".join(lines[:-2]))
    (folder / "annotations" / "test.txt").write_text("\n".join(lines[-2:]))
    return folder


STAND_INS: dict[str, Callable[[Path], Path]] = {
    "fashion_mnist": lambda root: arrays(root / "fashion.npz", 28, 10, ()),
    "cifar10": lambda root: arrays(root / "cifar10.npz", 32, 10, (3,)),
    "cifar100": lambda root: arrays(root / "cifar100.npz", 32, 100, (3,)),
    "oxford_pets": lambda root: pets(root / "pets"),
    "cats_vs_dogs": lambda root: photos(root / "cats", ("Cat", "Dog")),
    "folder": lambda root: photos(root / "photos", ("a", "b", "c")),
}
MADE = {"digit_scenes": ["data.count=12"]}
# TensorFlow takes a minute to trace their hundreds of layers.
DEEP = ("cifar10_densenet", "cifar10_efficientnet", "cifar10_nasnet", "cifar10_resnet164", "cifar10_senet")


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_says_what_it_needs_how_long_it_takes_and_what_to_expect(name):
    opening = catalog.find(name).text.split("\n\n", 1)[0]
    for word in ("Needs:", "Takes:", "Expect:"):
        assert re.search(rf"^# {word} +\S", opening, re.MULTILINE)
    measured = name in (catalog.folder() / "RESULTS.md").read_text(encoding="utf-8")
    assert ("RESULTS.md" in opening) == (measured or name.startswith("folder_"))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in NAMES]
)
def test_a_shipped_recipe_trains_two_steps(name, registry, tmp_path):
    losses = begin(name, registry, tmp_path, [1e-4, 1e-4])
    assert len(losses) == 2
    assert all(math.isfinite(loss) for loss in losses)


@pytest.mark.parametrize("name", DEEP)
def test_the_network_and_phases_of_a_deep_shipped_recipe_are_built(name, registry, tmp_path):
    assert begin(name, registry, tmp_path, []) == []


def begin(name, registry, tmp_path, rates):
    """Return the losses of a shipped recipe's first steps, one per learning rate."""
    file = catalog.find(name).file
    data_name = load_recipe(file, registry).data.record.name
    overrides = ["input.batch_size=4", "input.validation=0.25", "input.test=0.0", "backbone.weights=none"]
    if data_name in STAND_INS:
        overrides.append(f'data.path="{STAND_INS[data_name](tmp_path).as_posix()}"')
    recipe = load_recipe(file, registry, overrides + MADE.get(data_name, []))
    (tmp_path / "store").mkdir()
    data = from_recipe.open_data(recipe, tmp_path / "store")
    normalization = from_recipe.normalization(recipe, data)
    network = from_recipe.build_network(recipe, data.classes, data.label_kind, normalization)
    phases = from_recipe.plan_phases(recipe, network)
    with Reporter(quiet=True) as reporter:
        training = from_recipe.make_training(recipe, data, network, RunFolder(tmp_path), reporter)
        training.check(phases)
        return list(training.try_rates(phases[0], rates)) if rates else []
