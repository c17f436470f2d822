"""Several workers train as one process does: real processes, a tiny network, the same recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recipe_text import recipe_text
from teams import (
    assert_alike,
    assert_same_epoch,
    facts,
    largest_difference,
    largest_metric_difference,
    moved,
    trained,
    variables,
    write_images,
)

SGD = {"name": "sgd", "momentum": 0.9}
CNN = {"name": "small_cnn", "filters": [8, 16], "weights": "none"}
WITH_BATCH_NORM = {"name": "small_encoder", "filters": [8, 16], "weights": "none"}
# 161 = 5 · 31 + 6 and 33 = 31 + 2: no batch can be cut evenly by 2 and by 3, and a validation batch has fewer rows
# than three workers.
INPUT = {"image_size": 16, "batch_size": 31}
# 161 = 5 · 32 + 1: the last batch has fewer rows than workers.
INPUT_WITH_ONE_LEFT = {"image_size": 16, "batch_size": 32}


def full(epochs: int = 2, **options: Any) -> dict[str, Any]:
    return {"name": "full", "epochs": epochs, "optimizer": SGD, "learning_rate": 0.02, **options}


PLAIN = {"input": INPUT, "backbone": CNN, "schedule": full(3), "train": {"cache": "off"}}
AUGMENTED = {**PLAIN, "augment": [{"name": "basic"}]}
LABELLED: Mapping[str, Mapping[str, Any]] = {
    "augmented": AUGMENTED,
    "one_left": {**PLAIN, "input": INPUT_WITH_ONE_LEFT},
    "frozen_batch_norm": {
        **AUGMENTED,
        "backbone": WITH_BATCH_NORM,
        "schedule": full(batch_norm="frozen"),
    },
    "dropout": {
        **AUGMENTED,
        "backbone": {**CNN, "dropout": 0.3},
        "train": {"cache": "off", "class_weights": "balanced", "metrics": ["auc", "f1_score", "r2_score"]},
    },
    # Clipped before the sum, the gradients of N workers would be N times as long.
    "clipped": {**AUGMENTED, "schedule": full(optimizer={**SGD, "clipnorm": 0.2})},
    "batch_norm_one_left": {
        "input": INPUT_WITH_ONE_LEFT,
        "backbone": WITH_BATCH_NORM,
        "schedule": full(batch_norm="train"),
        "train": {"cache": "off"},
    },
    "three_phases": {
        "input": INPUT,
        "backbone": WITH_BATCH_NORM,
        "schedule": {
            "name": "gradual_unfreeze",
            "head_epochs": 2,
            "step_epochs": 3,
            "finetune_learning_rate": 1e-3,
            "batch_norm": "train",
        },
        "augment": [{"name": "mixup"}],
        "train": {"cache": "off", "ema": 0.9},
    },
    "half_precision": {
        **AUGMENTED,
        "train": {"cache": "off", "precision": "mixed_float16"},
    },
    "not_cached": {
        "input": INPUT,
        "backbone": WITH_BATCH_NORM,
        "schedule": {"name": "frozen", "epochs": 2, "optimizer": SGD, "learning_rate": 0.1},
        "augment": [{"name": "flip"}],
    },
    "cached": {
        "input": {"image_size": 16, "batch_size": 4},
        "backbone": WITH_BATCH_NORM,
        "schedule": {"name": "frozen", "epochs": 3, "optimizer": SGD},
        "augment": [{"name": "flip"}],
        "train": {"cache": "on", "views": 2, "engine": "litert"},
    },
}
SEGMENTED: Mapping[str, Mapping[str, Any]] = {
    "ignored_pixels": {
        "backbone": WITH_BATCH_NORM,
        "head": {"name": "unet"},
        "schedule": full(batch_norm="train"),
        "train": {"cache": "off"},
    },
    "dice": {
        "backbone": WITH_BATCH_NORM,
        "head": {"name": "linear_seg"},
        "schedule": full(batch_norm="frozen"),
        "train": {"cache": "off", "loss": "dice"},
    },
}
EXACT = ("augmented", "one_left", "frozen_batch_norm", "dropout", "clipped", "not_cached", "cached", "dice")
SYNCHRONIZED = ("batch_norm_one_left", "three_phases", "ignored_pixels")


def write_recipes(folder: Path, names: tuple[str, ...]) -> list[Path]:
    labels, masks = write_images(folder)
    files = []
    for name in names:
        changes = dict(LABELLED[name]) if name in LABELLED else {**SEGMENTED[name], "input": INPUT}
        data: dict[str, Any] = {"name": "npz", "path": labels}
        if name in SEGMENTED:
            changes["task"], data = "segmentation", {"name": "npz", "path": masks, "ignore": ["255"]}
        file = folder / f"{name}.toml"
        file.write_text(recipe_text(name=name, data=data, **changes), encoding="utf-8")
        files.append(file)
    return files


@pytest.mark.slow
def test_two_workers_end_with_the_weights_of_one_process(tmp_path):
    recipes = write_recipes(tmp_path, ("augmented",))
    one = trained(1, tmp_path / "one", recipes) / "augmented"
    two = trained(2, tmp_path / "two", recipes) / "augmented"
    assert facts(one)["images"] == 161
    assert moved(one, two) > 0.01
    assert largest_difference(one, two) <= 1e-6
    assert largest_metric_difference(one, two) <= 1e-6
    for name, values in variables(two, 1).items():
        np.testing.assert_array_equal(values, variables(two, 0)[name])
    assert not list(two.glob("workers*")), "only the chief writes"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Callable[[int, str], Path]:
    """A function that returns the run of some workers on a recipe; all recipes are trained by the same processes."""
    root = tmp_path_factory.mktemp("teams")
    recipes = write_recipes(root, (*LABELLED, *SEGMENTED))
    found: dict[int, Path] = {}

    def run(size: int, name: str) -> Path:
        if size not in found:
            found[size] = root / str(size)
            trained(size, found[size], recipes, TLKIT_CACHE=str(root / f"cache-{size}"))
        return found[size] / name

    return run


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("name", EXACT)
def test_weights_and_metrics_are_those_of_one_process(runs, name, size):
    assert_alike(runs(1, name), runs(size, name), weights=1e-6, metrics=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("name", SYNCHRONIZED)
def test_trained_batch_normalization_is_synchronized(runs, name, size):
    assert_alike(runs(1, name), runs(size, name), weights=1e-4, metrics=1e-4)
    assert_same_epoch(runs(1, name), runs(size, name))


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_the_loss_scale_is_the_same_on_all_workers(runs, size):
    one, several = runs(1, "half_precision"), runs(size, "half_precision")
    assert largest_difference(one, several) <= 1e-3  # float16 rounds each worker's part of a sum by itself
    for rank in range(1, size):
        for name, values in variables(several, rank).items():
            np.testing.assert_array_equal(values, variables(several)[name])


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_features_are_computed_by_all_workers_and_kept_once(runs, size):
    several = runs(size, "cached")
    assert [facts(several, rank)["cached"] for rank in range(size)] == [True] * size
    root = several.parent.parent
    ours, theirs = (
        {file.relative_to(cache): file.read_bytes() for file in cache.rglob("*") if file.suffix == ".shard"}
        for cache in (root / "cache-1", root / f"cache-{size}")
    )
    assert ours
    assert ours == theirs
    computed = [facts(several, rank)["computed"] for rank in range(size)]
    assert min(computed) > 0
    assert sum(computed) == facts(runs(1, "cached"))["computed"] == 2 * 161 + 33
