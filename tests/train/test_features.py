"""The feature cache: exact, reused by later runs, completed after a kill, and skipped where it can't be used."""

from __future__ import annotations

import errno
import re
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import keras
import numpy as np
import pytest
from recipe_text import recipe_text

import tlkit
from tlkit.data.feed.pipeline import Feed, batch_seeds
from tlkit.data.feed.policies import code_digest
from tlkit.data.store.shards import write_shard
from tlkit.jobs import from_recipe
from tlkit.models.freeze import prepare
from tlkit.recipe.load import parse_recipe
from tlkit.recipe.schema import TrainTable
from tlkit.system import cache as disk_cache
from tlkit.system.cache import cache_entries
from tlkit.train import feature_keys, feature_set
from tlkit.train.cache_plan import make_plan
from tlkit.train.feature_feed import FeatureFeed
from tlkit.train.feature_keys import features_key, targets_digest
from tlkit.train.feature_set import FeatureSet
from tlkit.train.frozen_part import FrozenPart

FROZEN = {
    "name": "frozen",
    "seed": 4,
    "backbone": {"name": "resnet", "depth": 18, "units": [1, 1, 1], "filters": [8, 8, 16], "bias": False},
    "train": {"restore_best": False},
}
DIGITS = {**FROZEN, "input": {"image_size": 24, "batch_size": 128}}
KINDS = {
    "classification": {
        **DIGITS,
        "head": {"name": "mlp"},
        "schedule": {"name": "frozen", "epochs": 3, "learning_rate": 0.01},
    },
    "segmentation": {
        **FROZEN,
        "task": "segmentation",
        "data": {"name": "digit_scenes", "count": 40, "size": 48},
        "input": {"image_size": 48, "batch_size": 8},
        "head": {"name": "unet"},
        "schedule": {"name": "frozen", "epochs": 2, "learning_rate": 0.01},
    },
    "unfrozen": {
        **DIGITS,
        "schedule": {
            "name": "two_phase",
            "head_epochs": 2,
            "finetune_epochs": 2,
            "learning_rate": 0.01,
            "finetune_learning_rate": 1e-3,
            "unfreeze_from": "conv4",
        },
    },
}


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def cached_features():
    return [each for each in cache_entries() if each.folder.parent.name == "features"]


@pytest.fixture
def run(tmp_path, write_recipe, registry, cache, capsys):
    """A function that runs a kind of recipe and returns the weights and what was printed."""

    def run_recipe(kind, name, *overrides):
        file = write_recipe(**KINDS[kind])
        capsys.readouterr()
        folder = tlkit.run(file, overrides, tmp_path / name, registry=registry).folder
        model = keras.saving.load_model(folder / "model.keras", compile=False)
        return [np.array(weight) for weight in model.weights], capsys.readouterr().out

    return run_recipe


@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("classification", "tensorflow"),
        ("segmentation", "litert"),
        pytest.param("segmentation", "tensorflow", marks=pytest.mark.slow),
        pytest.param("unfrozen", "tensorflow", marks=pytest.mark.slow),
        pytest.param("unfrozen", "litert", marks=pytest.mark.slow),
    ],
)
def test_the_trained_weights_agree_with_and_without_the_cache(run, kind, engine):
    if engine == "litert":
        pytest.importorskip("ai_edge_litert")
    cached, output = run(kind, "cached", "train.cache=on", f"train.engine={engine}")
    computed, _ = run(kind, "computed", "train.cache=off", f"train.engine={engine}")
    assert "TensorFlow computes the frozen part" not in output
    assert output.count("features are cached") == (2 if kind == "unfrozen" else 1)
    for ours, theirs in zip(cached, computed, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


def test_another_run_on_the_same_images_computes_nothing(run, cache, monkeypatch):
    run("classification", "first", "train.cache=on")
    calls = []
    computing = FrozenPart.__call__
    monkeypatch.setattr(
        FrozenPart, "__call__", lambda part, images: calls.append(len(images)) or computing(part, images)
    )
    _, output = run("classification", "second", "train.cache=on", "head.units=[8]")
    assert "features are cached: an earlier run left them all" in output
    assert calls == []
    assert len(cached_features()) == 2


def test_features_computed_with_another_batch_size_are_used_and_give_the_same_weights(run, monkeypatch):
    options = ("train.cache=on", "schedule.epochs=2", "input.batch_size=40")
    alone, _ = run("classification", "alone", *options)
    disk_cache.clear()
    run("classification", "other", *options, "input.batch_size=5")
    after, output = run("classification", "after", *options)
    assert "an earlier run left them all" in output
    for ours, theirs in zip(alone, after, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("intra_op_threads", 7),
        ("usable_processors", 96),
        ("processor", "another processor"),
        ("op_determinism", "another"),
        ("devices", [{"type": "GPU", "name": "a GPU"}]),
    ],
)
def test_features_of_another_device_or_number_of_threads_have_another_key(parts, monkeypatch, name, value):
    key = features_key(parts.part, parts.data, parts.rows, {})
    before = feature_keys.computing()
    assert name in before
    monkeypatch.setattr(feature_keys, "computing", lambda: {**before, name: value})
    assert features_key(parts.part, parts.data, parts.rows, {}) != key


def test_features_computed_under_other_variables_have_another_key(parts, monkeypatch):
    key = features_key(parts.part, parts.data, parts.rows, {})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert features_key(parts.part, parts.data, parts.rows, {}) == key
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "another")
    assert features_key(parts.part, parts.data, parts.rows, {}) != key


def test_augmented_features_of_other_labels_are_not_used(parts):
    digest = targets_digest(parts.data, parts.rows)
    assert targets_digest(parts.data, parts.rows) == digest
    other = replace(parts.data, labels=(parts.data.labels + 1) % len(parts.data.classes))
    assert targets_digest(other, parts.rows) != digest
    fewer = replace(parts.data, classes=parts.data.classes[:-1])
    assert targets_digest(fewer, parts.rows) != digest


def test_augmented_features_of_other_masks_are_not_used(parts):
    masks = np.zeros((len(parts.data.samples), 4, 4), np.uint8)
    data = replace(parts.data, labels=None, store=replace(parts.data.store, masks=masks))
    digest = targets_digest(data, parts.rows)
    masks[parts.rows[-1], 3, 3] = 1  # as another mask table would make it of the same file
    assert targets_digest(data, parts.rows) != digest


def test_augmented_features_of_changed_labels_are_computed_again(run, class_folders, tmp_path):
    root = class_folders({"a": 6, "b": 6})
    files = sorted(root.rglob("*.png"))
    table = tmp_path / "labels.csv"
    data = (f'data={{name="csv", path="{table}", split="split"}}', "input.batch_size=4", "input.image_size=16")
    options = ("train.cache=on", "train.views=1", "augment.name=flip", "schedule.epochs=2")
    weights = []
    for name, labels in (("first", "ab"), ("second", "ba"), ("cold", "ba")):
        if name == "cold":
            disk_cache.clear()
        splits = ("train", "train", "train", "val") * 3
        rows = [f"{file},{labels[at % 2]},{splits[at]}" for at, file in enumerate(files)]
        table.write_text("\n".join(["image,label,split", *rows]))
        weights.append(run("classification", name, *data, *options)[0])
    for ours, theirs in zip(weights[1], weights[2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("augmented", [False, True])
def test_the_decision_to_cache_depends_neither_on_the_clock_nor_on_what_is_cached(
    parts, tmp_path, monkeypatch, augmented
):
    def decisions(features):
        found = []
        for ticks in (0.0, 1e-9, 1e4):
            clock = count()
            with monkeypatch.context() as patch:
                for name in ("monotonic", "perf_counter", "time", "process_time"):
                    patch.setattr(time, name, lambda clock=clock, ticks=ticks: next(clock) * ticks)
                for per_byte in (99, 100):
                    patch.setattr(FrozenPart, "operations_per_image", per_byte * parts.part.bytes_per_image)
                    table = TrainTable(views=1)
                    plan = make_plan(parts.part, [features], tmp_path, table, epochs=2, augmented=augmented)
                    found.append(plan.use)
        return found

    features = parts.features(tmp_path / "set")
    assert decisions(features) == [False, True] * 3
    features.fill()
    assert decisions(parts.features(tmp_path / "set")) == [False, True] * 3


def test_a_single_epoch_caches_nothing_unless_asked_for(parts, tmp_path):
    features = parts.features(tmp_path / "set")
    plan = make_plan(parts.part, [features], tmp_path, TrainTable(), epochs=1, augmented=False)
    assert (plan.use, plan.reason) == (False, "features are not cached: there is only one epoch")
    assert make_plan(parts.part, [features], tmp_path, TrainTable(cache="on"), epochs=1, augmented=False).use


@pytest.mark.parametrize(
    ("engine", "place"),
    [
        ("litert", 20),
        ("tensorflow", -40),
        pytest.param("litert", -40, marks=pytest.mark.slow),
        pytest.param("tensorflow", 20, marks=pytest.mark.slow),
    ],
)
def test_damaged_features_are_named_in_a_run(run, engine, place):
    """Damage in the header is seen when the plan is made, in the arrays only when they are read."""
    if engine == "litert":
        pytest.importorskip("ai_edge_litert")
    weights, _ = run("classification", "first", "train.cache=on", f"train.engine={engine}")
    damaged = sorted(file for each in cached_features() for file in each.folder.glob("*.shard"))
    for file in damaged:
        content = bytearray(file.read_bytes())
        content[place] ^= 1
        file.write_bytes(content)
    again, output = run("classification", "second", "train.cache=on", f"train.engine={engine}")
    assert "cached features could not be used, so they were computed again: " in output.replace("\n", " ")
    for ours, theirs in zip(weights, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_network_has_its_own_features(run):
    run("classification", "first", "train.cache=on", "schedule.epochs=2")
    run("classification", "second", "train.cache=on", "schedule.epochs=2", "seed=5")
    run("classification", "third", "train.cache=on", "schedule.epochs=2", "input.resize=pad", "seed=5")
    assert len(cached_features()) == 6


class Parts:
    """A frozen part, a feed and the rows of a tiny recipe."""

    def __init__(self, folder, registry, *overrides):
        text = recipe_text(**KINDS["classification"])
        recipe = parse_recipe(text, registry, ["input.batch_size=32", *overrides])
        (folder / "store").mkdir()
        self.data = from_recipe.open_few(recipe, 600, folder / "store")
        network = from_recipe.build_network(recipe, self.data.classes, self.data.label_kind)
        phase = from_recipe.plan_phases(recipe, network)[0]
        self.part = FrozenPart(prepare(network, phase).frozen_part)
        self.policies = from_recipe.build_policies(recipe, self.data)
        self.feed = Feed(self.data, 32, self.policies)
        self.rows = self.data.indices("train")

    def features(self, folder, seeds=None):
        return FeatureSet(folder, self.part, self.feed, self.rows, seeds, key="a key")


@pytest.fixture
def parts(tmp_path, registry, monkeypatch):
    monkeypatch.setattr(feature_set, "_SHARD_BATCHES", 4)
    return Parts(tmp_path, registry)


def test_half_a_cache_is_completed_and_a_damaged_shard_is_computed_again(parts, tmp_path):
    whole = parts.features(tmp_path / "set")
    whole.fill()
    expected = whole.batch(parts.rows)["feature0"]
    files = sorted((tmp_path / "set").glob("*.shard"))
    assert len(files) > 1
    files[0].write_bytes(files[0].read_bytes()[:200])
    unchanged = files[1].stat().st_mtime_ns
    again = parts.features(tmp_path / "set")
    again.fill()
    np.testing.assert_allclose(again.batch(parts.rows)["feature0"], expected, rtol=1e-5, atol=1e-6)
    assert files[1].stat().st_mtime_ns == unchanged


def test_a_kill_while_features_are_written_leaves_only_whole_shards(parts, tmp_path, monkeypatch):
    written = []

    def killed(folder, name, *rest):
        if written:
            (folder / f".{name}.shard-abc").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(name)
        return write_shard(folder, name, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(feature_set, "write_shard", killed)
        with pytest.raises(KeyboardInterrupt):
            parts.features(tmp_path / "set").fill()
    whole = parts.features(tmp_path / "set")
    first = (tmp_path / "set" / f"{written[0]}.shard").stat().st_mtime_ns
    assert 0 < whole.missing < len(parts.rows)
    whole.fill()
    assert (tmp_path / "set" / f"{written[0]}.shard").stat().st_mtime_ns == first
    other = parts.features(tmp_path / "other")
    other.fill()
    np.testing.assert_allclose(
        whole.batch(parts.rows)["feature0"], other.batch(parts.rows)["feature0"], rtol=1e-5, atol=1e-6
    )


def test_a_flipped_bit_in_the_features_of_an_earlier_run_is_found(parts, tmp_path):
    whole = parts.features(tmp_path / "set")
    whole.fill()
    expected = whole.batch(parts.rows)["feature0"]
    file = sorted((tmp_path / "set").glob("*.shard"))[1]
    content = bytearray(file.read_bytes())
    content[-100] ^= 64
    file.write_bytes(content)
    again = parts.features(tmp_path / "set")
    assert again.missing == 0
    again.fill()
    np.testing.assert_allclose(again.batch(parts.rows)["feature0"], expected, rtol=1e-5, atol=1e-6)


def test_each_view_follows_its_seeds_and_epochs_take_the_views_in_turn(tmp_path, registry):
    parts = Parts(tmp_path, registry, 'augment={name="mixup", alpha=1.0}')
    views = []
    for view in range(2):
        seeds = batch_seeds(0, 0, view, -(-len(parts.rows) // 32))
        views.append(parts.features(tmp_path / str(view), seeds))
        views[-1].fill()
    feed = FeatureFeed(parts.data, 32, views)
    first, second, third = (list(feed.epoch(parts.rows, number=number)) for number in range(3))
    fresh = list(parts.feed.epoch(parts.rows, batch_seeds(0, 0, 1, -(-len(parts.rows) // 32))))
    for a, b, c, images in zip(first, second, third, fresh, strict=True):
        np.testing.assert_array_equal(a["labels"], c["labels"])
        assert not np.array_equal(a["labels"], b["labels"])
        np.testing.assert_array_equal(b["labels"], images["labels"])
        np.testing.assert_allclose(b["features"][0], parts.part(images["images"])[0], rtol=1e-5, atol=1e-6)


def test_later_runs_with_the_same_draws_reuse_augmented_features(run):
    first, output = run("classification", "run", "train.cache=on", "train.views=2", "augment.name=flip")
    assert "2 passes" in output
    again, output = run("classification", "again", "train.cache=on", "train.views=2", "augment.name=flip")
    assert "an earlier run left them all" in output
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    for other in ("seed=5", "augment.vertical=true", "input.batch_size=64"):
        _, output = run("classification", other, "train.cache=on", "train.views=2", "augment.name=flip", other)
        assert "2 passes" in output


def test_augmented_features_are_removed_after_the_run_when_their_code_can_not_be_read(run, tmp_path, monkeypatch):
    monkeypatch.setattr("tlkit.data.feed.policies.code_digest", lambda _function: None)
    _, output = run("classification", "run", "train.cache=on", "train.views=2", "augment.name=flip")
    assert "2 passes" in output
    assert not (tmp_path / "run" / "cache").exists()
    assert len(cached_features()) == 1  # of the validation images, which are not augmented


def test_the_digest_of_code_covers_the_whole_package_or_the_one_file(tmp_path, monkeypatch):
    package = tmp_path / "a_package"
    package.mkdir()
    (package / "__init__.py").write_text("from a_package.inner import build\n")
    (package / "inner.py").write_text("def build(): pass\n")
    (tmp_path / "a_file.py").write_text("def build(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import a_file
    import a_package

    before = code_digest(a_package.build), code_digest(a_file.build)
    (package / "__init__.py").write_text("from a_package.inner import build  # changed\n")
    assert code_digest(a_package.build) != before[0]
    assert code_digest(a_file.build) == before[1]
    assert code_digest(eval("lambda: None", {"__name__": "nowhere"})) is None


def test_a_run_whose_budget_is_too_small_trains_without_the_cache(run):
    _, output = run("classification", "run", "train.cache=on", "train.cache_budget=1e-6", "schedule.epochs=1")
    assert "features are not cached: they take" in output
    assert "train.cache_budget allows" in output


def test_a_run_on_a_full_disk_trains_without_the_cache_and_says_so(run, monkeypatch):
    def full(folder, name, *_):
        (folder / f".{name}.shard-abc").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / name))

    with monkeypatch.context() as patch:
        patch.setattr(feature_set, "write_shard", full)
        weights, output = run("classification", "run", "train.cache=on", "schedule.epochs=2")
    assert "No space left on device" in output
    assert cached_features() == []
    computed, _ = run("classification", "other", "train.cache=off", "schedule.epochs=2")
    for ours, theirs in zip(weights, computed, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_without_a_cache_folder_features_are_cached_for_the_run_alone(run, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file")
    _, output = run("classification", "run", "train.cache=on", "schedule.epochs=1")
    assert f"features are not cached for later runs: {cache}" in output
    assert "features are cached: 1 pass" in output


@pytest.mark.parametrize("options", [[], ["augment.name=flip", "train.views=2"]], ids=["plain", "augmented"])
def test_above_the_limit_features_are_cached_for_the_run_alone(run, tmp_path, options):
    disk_cache.set_limit(0)
    _, output = run("classification", "run", "train.cache=on", *options)
    assert re.search(
        r"features are not cached for later runs: they take \S+ [kM]B, but tlkit cache limit allows 0 bytes", output
    )
    assert "features are cached: " in output
    assert cache_entries() == []
    assert not (tmp_path / "run" / "cache").exists()


def test_the_key_depends_on_files_settings_and_weights(parts):
    key = features_key(parts.part, parts.data, parts.rows, {"resize": "crop"})
    assert key == features_key(parts.part, parts.data, parts.rows, {"resize": "crop"})
    assert key != features_key(parts.part, parts.data, parts.rows, {"resize": "pad"})
    assert key != features_key(parts.part, parts.data, parts.rows[1:], {"resize": "crop"})
    layer = next(layer for layer in parts.part.model.layers if layer.weights)
    layer.set_weights([weight + 1e-3 for weight in layer.get_weights()])
    changed = FrozenPart(parts.part.model)
    assert key != features_key(changed, parts.data, parts.rows, {"resize": "crop"})


def test_operations_are_counted_for_each_position_of_a_kernel():
    images = keras.Input((8, 6, 3))
    x = keras.layers.Conv2D(4, 3, 2, "same", use_bias=False)(images)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x))
    part = FrozenPart(keras.Model(images, [x]))
    assert part.operations_per_image == 2 * (4 * 3 * 9 * 3 * 4 + 4 * 3 * 9 * 4 + 4 * 5)


def test_with_augmentation_auto_compares_operations_with_bytes(run):
    _, light = run("segmentation", "light", "augment.name=flip", "train.views=1")
    assert "features are not cached: reading them is hardly faster" in light
    _, heavy = run("classification", "heavy", "augment.name=flip", "train.views=1", "backbone.filters=[32, 64, 64]")
    assert "features are cached: 1 pass " in heavy


def test_the_frozen_part_computes_the_same_in_parts(monkeypatch):
    monkeypatch.setattr("tlkit.models.tensorflow_network.images_at_once", lambda _model: 3)
    images = keras.Input((8, 8, 3))
    maps = [keras.layers.Conv2D(4, 3)(images), keras.layers.Conv2D(2, 5)(images)]
    model = keras.Model(images, maps)
    batch = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype(np.float32)
    features = FrozenPart(model)(batch)
    assert [each.shape for each in features] == [(8, 6, 6, 4), (8, 4, 4, 2)]
    for ours, theirs in zip(features, model(batch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
