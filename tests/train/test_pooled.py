"""Pooled features: the average of the backbone's last map, from what runs have kept or from one pass."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from recipe_text import recipe_text

import tlkit
from tlkit.jobs import from_recipe
from tlkit.jobs.opened_run import open_run
from tlkit.jobs.pooled_features import pooled_features, with_backbone_of
from tlkit.recipe.load import parse_recipe
from tlkit.runs.folder import RunFolder
from tlkit.system.cache import cache_entries
from tlkit.system.progress import Reporter
from tlkit.train.frozen_part import FrozenPart

BASE = {
    "name": "pooled",
    "seed": 4,
    "backbone": {"name": "resnet", "depth": 18, "units": [1, 1, 1], "filters": [8, 8, 16], "bias": False},
    "schedule": {"name": "frozen", "epochs": 2, "learning_rate": 0.01},
}
KINDS = {
    "linear": {**BASE, "input": {"image_size": 24, "batch_size": 128}},
    "segmentation": {
        **BASE,
        "task": "segmentation",
        "data": {"name": "digit_scenes", "count": 30, "size": 48},
        "input": {"image_size": 48, "batch_size": 8},
        "head": {"name": "fpn"},
    },
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """How many images a frozen part computes, call by call."""
    counts: list[int] = []
    original = FrozenPart.__call__

    def counting(part, images):
        counts.append(len(images))
        return original(part, images)

    monkeypatch.setattr(FrozenPart, "__call__", counting)
    return counts


@pytest.fixture
def opened(registry, tmp_path) -> Callable:
    def make(**changes):
        recipe = parse_recipe(recipe_text(**changes), registry, (), tmp_path / "recipe.toml")
        folder = tmp_path / "decoded"
        folder.mkdir(exist_ok=True)
        return recipe, from_recipe.open_data(recipe, folder)

    return make


def features(recipe, data, rows, tmp_path) -> np.ndarray:
    with Reporter(quiet=True) as reporter:
        return pooled_features(recipe, data, rows, tmp_path / "scratch", reporter)


def expected(recipe, data, rows) -> np.ndarray:
    network = from_recipe.build_network(recipe, data.classes, data.label_kind)
    model = keras.Model(network.model.input, network.last_map)
    return np.asarray(model(data.store.images[rows].astype(np.float32), training=False)).mean((1, 2))


@pytest.mark.parametrize("cache", ["on", "off"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_they_are_the_average_of_the_last_map_in_the_order_asked_for(kind, cache, opened, tmp_path):
    recipe, data = opened(**KINDS[kind], train={"cache": cache})
    rows = np.array([3, 17, 2, 29, 3, 11])
    found = features(recipe, data, rows, tmp_path)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(recipe, data, rows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_a_run_has_kept_is_not_computed_again(kind, write_recipe, registry, tmp_path, computed):
    recipe = write_recipe(**KINDS[kind], train={"cache": "on"})
    run = tlkit.run(recipe, out=tmp_path / "run", registry=registry, quiet=True).folder
    opened = open_run(RunFolder(run), registry, tmp_path, lambda _done, _total: None)
    computed.clear()
    rows = np.concatenate([opened.data.indices("train"), opened.data.indices("validation")])
    found = features(opened.recipe, opened.data, rows, tmp_path)
    assert computed == []
    np.testing.assert_allclose(found, expected(opened.recipe, opened.data, rows), rtol=1e-4, atol=1e-5)


def test_they_are_kept_and_read_the_second_time(opened, tmp_path, computed):
    recipe, data = opened(**KINDS["linear"], train={"cache": "on"})
    rows = np.arange(50)
    first = features(recipe, data, rows, tmp_path)
    assert sum(computed) == 50
    computed.clear()
    np.testing.assert_array_equal(features(recipe, data, rows[::-1], tmp_path), first[::-1])
    assert computed == []


def test_nothing_is_kept_where_the_recipe_says_so(opened, tmp_path):
    recipe, data = opened(**KINDS["linear"], train={"cache": "off"})
    features(recipe, data, np.arange(20), tmp_path)
    assert not [each for each in cache_entries() if each.folder.parent.name == "features"]


def test_the_backbone_of_a_run_is_as_the_run_has_trained_it(write_recipe, registry, tmp_path):
    changes = {"schedule": {"name": "full", "epochs": 1, "learning_rate": 0.01}}
    run = tlkit.run(write_recipe(**{**KINDS["linear"], **changes}), out=tmp_path / "run", registry=registry, quiet=True)
    opened = open_run(RunFolder(run.folder), registry, tmp_path, lambda _done, _total: None)
    rows = np.arange(12)
    trained = with_backbone_of(opened.recipe, run.folder)
    found = features(trained, opened.data, rows, tmp_path)
    np.testing.assert_allclose(found, expected(trained, opened.data, rows), rtol=1e-4, atol=1e-5)
    assert np.abs(found - features(opened.recipe, opened.data, rows, tmp_path)).max() > 0.01
