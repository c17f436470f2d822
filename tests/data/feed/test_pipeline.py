"""Batches and their order, chains of augmentation policies, and the labels that ``open_data`` makes."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tensorflow as tf

from tlkit import IGNORE, DataError, Dataset, Options, PluginError, Sample, SampleSet
from tlkit.data.feed.pipeline import Feed, batch_seeds, epoch_order
from tlkit.data.feed.policies import Policy, _installed
from tlkit.data.prepare import open_data
from tlkit.data.settings import DataSettings
from tlkit.recipe.input_table import InputTable
from tlkit.recipe.schema import Selection


def dataset(sample_set, task="classification"):
    record = Dataset(name="made", summary="", options=Options, open=lambda ctx, options: sample_set, tasks=(task,))
    return Selection(record, Options())


def made(count=10, classes=3, **fields):
    images = np.random.default_rng(0).integers(0, 256, (count, 16, 12, 3), dtype=np.uint8)
    samples = tuple(Sample(f"{i}", i, label=i % classes) for i in range(count))
    names = tuple("abcdefgh"[:classes])
    return SampleSet(**{"samples": samples, "classes": names, "images": images, **fields})


def opened(sample_set, table, folder, task="classification"):
    return open_data(DataSettings(dataset(sample_set, task), table, task, seed=0), folder)


@pytest.fixture
def data(tmp_path):
    table = InputTable(image_size=(16, 12), validation=0.0)
    return opened(made(), table, tmp_path)


def values(dataset):
    return [{key: value.numpy() for key, value in batch.items()} for batch in dataset]


def test_batches_follow_the_order_and_the_last_may_be_smaller(data):
    order = np.array([3, 1, 9, 0, 7], np.int64)
    found = values(Feed(data, 2).epoch(order))
    assert [batch["index"].tolist() for batch in found] == [[3, 1], [9, 0], [7]]
    np.testing.assert_array_equal(found[0]["images"][1], data.store.images[1].astype(np.float32))
    assert found[1]["labels"].tolist() == [0, 0]
    assert found[0]["images"].dtype == np.float32


def test_an_epoch_can_start_at_a_later_batch(data):
    order = epoch_order(0, 0, 0, 10)
    seeds = batch_seeds(0, 0, 0, 4)

    def noise(batch, seed):
        batch["images"] = batch["images"] + tf.random.stateless_uniform(tf.shape(batch["images"]), seed)
        return batch

    feed = Feed(data, 3, [Policy("noise", noise)])
    whole = values(feed.epoch(order, seeds))
    rest = values(feed.epoch(order, seeds, start=2))
    assert len(rest) == 2
    np.testing.assert_array_equal(whole[2]["images"], rest[0]["images"])


def test_a_feed_takes_the_order_of_each_epoch(data):
    feed = Feed(data, 4)
    orders = [epoch_order(0, 0, epoch, 10) for epoch in range(3)]
    for order in (*orders, orders[0][:5]):
        assert np.concatenate([batch["index"] for batch in values(feed.epoch(order))]).tolist() == order.tolist()


def test_order_and_seeds_depend_on_seed_phase_and_epoch_alone():
    assert epoch_order(1, 0, 3, 50).tolist() == epoch_order(1, 0, 3, 50).tolist()
    others = [epoch_order(*address, 50).tolist() for address in ((1, 0, 3), (2, 0, 3), (1, 1, 3), (1, 0, 4))]
    assert len({tuple(each) for each in others}) == 4
    assert sorted(others[0]) == list(range(50))
    seeds = batch_seeds(1, 0, 3, 20)
    assert len({tuple(seed) for seed in seeds.tolist()}) == 20


def test_a_policy_that_mixes_receives_shares_of_classes(data):
    given = {}

    def half(batch, seed):
        given.update(batch)
        return {**batch, "labels": (batch["labels"] + batch["labels"][::-1]) / 2}

    [batch] = values(Feed(data, 3, [Policy("half", half, mixes=True)]).epoch(np.arange(3)))
    assert given["labels"].shape.as_list() == [None, 3]
    np.testing.assert_array_equal(batch["labels"], (np.eye(3) + np.eye(3)[::-1]) / 2)


def test_a_chain_applies_its_policies_in_order_each_with_its_own_draws(data):
    def ten(batch, seed):
        return {**batch, "images": tf.zeros_like(batch["images"]) + 10}

    def double(batch, seed):
        return {**batch, "images": batch["images"] * 2}

    def draw(batch, seed):
        return {**batch, "images": tf.random.stateless_uniform(tf.shape(batch["images"]), seed) * 255}

    def images(*functions):
        feed = Feed(data, 3, [Policy(function.__name__, function) for function in functions])
        [batch] = values(feed.epoch(np.arange(3), batch_seeds(0, 0, 0, 1)))
        return batch["images"]

    assert (images(ten, double) == 20).all()
    assert (images(double, ten) == 10).all()
    np.testing.assert_array_equal(images(draw), images(draw))
    assert (images(draw) != images(ten, draw)).any()


def test_seeds_that_a_policy_folds_are_not_those_of_later_policies(data):
    seen = {}

    def note(name, folds):
        def keep(batch, seed):
            values = [seed, *(tf.random.fold_in(seed, n, alg="philox") for n in range(folds))]
            seen[name] = tf.stack(values)
            return {**batch, "images": batch["images"] + tf.cast(tf.reduce_sum(seen[name]), tf.float32) * 0}

        return keep

    def compare(batch, seed):
        same = tf.reduce_all(seen["first"] == seed[None], -1)
        return {**batch, "images": tf.zeros_like(batch["images"]) + 255 * tf.cast(tf.reduce_any(same), tf.float32)}

    feed = Feed(data, 3, [Policy("first", note("first", 8)), Policy("compare", compare)])
    [batch] = values(feed.epoch(np.arange(3), batch_seeds(0, 0, 0, 1)))
    assert not batch["images"].any()


def test_augmented_images_stay_in_range(data):
    policy = Policy("strong", lambda batch, seed: {**batch, "images": batch["images"] * 3 - 100})
    feed = Feed(data, 3, [policy])
    [batch] = values(feed.epoch(np.arange(3)))
    assert batch["images"].min() == 0
    assert batch["images"].max() == 255


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (lambda batch, seed: {"images": batch["images"]}, '"broken" returned the entries'),
        (lambda batch, seed: {**batch, "images": batch["images"][:, :4]}, "of shape"),
    ],
)
def test_an_augmentation_that_breaks_its_contract_is_refused(data, augment, message):
    feed = Feed(data, 3, [Policy("broken", augment)])
    with pytest.raises(PluginError, match=message):
        next(feed.epoch(np.arange(3)))


def test_a_policy_is_not_traced_before_a_batch_is_made(data):
    traced = []

    def note(batch, seed):
        traced.append(batch["images"].shape)
        return batch

    feed = Feed(data, 3, [Policy("note", note)])
    assert not traced
    values(feed.epoch(np.arange(4)))
    assert len(traced) == 1


def test_masks_are_class_numbers(tmp_path):
    masks = np.zeros((4, 16, 12), np.uint8)
    masks[:, 3:5] = 1
    masks[:, 0] = IGNORE
    samples = tuple(Sample(f"{i}", i, mask=i) for i in range(4))
    found = SampleSet(samples=samples, classes=("x", "y"), images=made(4).images, masks=masks)
    table = InputTable(image_size=(16, 12), validation=0.0)
    data = opened(found, table, tmp_path, "segmentation")
    [batch] = values(Feed(data, 4).epoch(np.arange(4)))
    np.testing.assert_array_equal(batch["segmentation_masks"][..., 0], masks)
    assert data.class_counts("train").tolist() == [4 * 12 * 13, 4 * 12 * 2]
    keep = Policy("keep", lambda batch, seed: batch, mixes=True)
    [soft] = values(Feed(data, 4, [keep]).epoch(np.arange(4)))
    np.testing.assert_array_equal(soft["segmentation_masks"], np.eye(256)[masks][..., :2])


def test_channel_statistics_cover_all_training_pixels(data):
    mean, deviation = data.channel_statistics("train")
    pixels = data.store.images[data.indices("train")].reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(mean, pixels.mean(0))
    np.testing.assert_allclose(deviation, pixels.std(0))


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        (made(samples=()), DataError, "no images found"),
        (made(classes=1), DataError, "only one class"),
        (made(classes=2, samples=(Sample("a", 0, label=5), Sample("b", 1, label=0))), PluginError, "label 5"),
        (
            made(samples=(Sample("a", 0, label=0), Sample("a", 1, label=1))),
            PluginError,
            "unique keys; repeated: a",
        ),
        (made(samples=(Sample("a", 99, label=0), Sample("b", 1, label=1))), PluginError, "row 99"),
        (made(images=np.zeros((10, 4, 4, 3))), PluginError, "expected images of dtype uint8"),
        ({"samples": ()}, PluginError, "expected open to return a SampleSet"),
    ],
)
def test_a_data_set_that_breaks_its_contract_is_named(tmp_path, broken, error, message):
    with pytest.raises(error, match=message):
        opened(broken, InputTable(), tmp_path)


@pytest.mark.parametrize(("classes", "kind"), [(2, "binary"), (3, "single")])
def test_the_label_kind_follows_the_number_of_classes(tmp_path, classes, kind):
    table = InputTable(image_size=(16, 12), validation=0.0)
    found = opened(made(classes=classes), table, tmp_path)
    assert found.label_kind == kind


def test_several_labels_per_image_are_multi_hot(tmp_path):
    samples = (Sample("a", 0, label=(0, 2)), Sample("b", 1, label=()), Sample("c", 2, label=(1,)))
    table = InputTable(image_size=(16, 12), validation=0.0)
    found = opened(made(samples=samples, multi_label=True), table, tmp_path)
    assert found.label_kind == "multi"
    assert found.labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]


def test_the_digest_of_what_is_installed_changes_with_a_version(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(tmp_path / "missing")])
    folder = tmp_path / "my_package-1.0.dist-info"
    seen = [_installed()]
    for name in ("my_package-1.0.dist-info", "my_package-1.1.dist-info"):
        folder = folder.rename(tmp_path / name) if folder.exists() else tmp_path / name
        folder.mkdir(exist_ok=True)
        seen.append(_installed())
    by_hand = tmp_path / "other.egg-info"
    by_hand.mkdir()
    for version in ("1", "2"):
        (by_hand / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: other\nVersion: {version}\n", encoding="utf-8")
        seen.append(_installed())
    assert len(set(seen)) == 5
