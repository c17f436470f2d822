"""Policies that mix or lose parts of images: mixup, cutmix, random_erasing, aug_mix."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tlkit_augment

import tlkit
from tlkit.testing import check_augmentation

RECORDS = {record.name: record for record in tlkit_augment.tlkit_augmentations()}
SIZE = (24, 32)
COUNT = 64
SEED = (5, 6)
MIXING = ("mixup", "cutmix")


def build(name: str, task: tlkit.contracts.Task = "classification", **table: Any) -> Any:
    record = RECORDS[name]
    context = tlkit.AugmentContext(task, SIZE, COUNT)
    augment = record.build(context, record.options.model_validate_json(json.dumps(table)))
    assert augment is not None
    return augment


def arrays(augment: Any, batch: dict[str, Any], seed: tuple[int, int] = SEED) -> dict[str, np.ndarray]:
    return {key: np.asarray(value) for key, value in augment(dict(batch), tf.constant(seed, tf.int32)).items()}


def numbered() -> dict[str, Any]:
    """Image i is all of grey value i and has class i."""
    images = tf.ones((COUNT, *SIZE, 3)) * tf.reshape(tf.range(COUNT, dtype=tf.float32), [-1, 1, 1, 1])
    return {"images": images, "labels": tf.one_hot(tf.range(COUNT), COUNT)}


def masked() -> dict[str, Any]:
    """The same with masks: image i is of class i but for an ignored row."""
    classes = np.tile(np.arange(COUNT)[:, None, None], (1, *SIZE))
    masks = tf.one_hot(classes, COUNT).numpy()
    masks[:, 0] = 0
    return {"images": numbered()["images"], "segmentation_masks": tf.constant(masks)}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_policy_keeps_its_contract(name: str) -> None:
    check_augmentation(RECORDS[name])


@pytest.mark.parametrize("name", ["mixup", "cutmix", "random_erasing", "aug_mix", "color_jitter"])
def test_a_result_is_that_of_its_seed_whatever_ran_before_and_however_it_is_called(name: str) -> None:
    augment = build(name)
    first = arrays(augment, numbered())
    arrays(augment, numbered(), (1, 1))
    again, traced = arrays(augment, numbered()), arrays(tf.function(augment), numbered())
    other = arrays(augment, numbered(), (5, 7))
    for key in first:
        np.testing.assert_array_equal(first[key], again[key])
        np.testing.assert_allclose(first[key], traced[key], atol=0.01)
    assert not np.array_equal(first["images"], other["images"])


@pytest.mark.parametrize("name", MIXING)
def test_the_label_tells_the_share_of_each_image(name: str) -> None:
    after = arrays(build(name, alpha=1.0, rate=1.0), numbered())
    np.testing.assert_allclose(after["labels"].sum(-1), 1, atol=1e-5)
    mean = after["images"].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(after["labels"] @ np.arange(COUNT), mean, atol=0.01)
    assert (after["labels"].max(-1) < 0.99).mean() > 0.5


@pytest.mark.parametrize("name", MIXING)
def test_masks_are_mixed_as_the_images_are_and_ignored_pixels_count_for_nothing(name: str) -> None:
    after = arrays(build(name, "segmentation", alpha=1.0, rate=1.0), masked())
    masks, images = after["segmentation_masks"], after["images"][..., 0]
    assert not masks[:, 0].any()
    np.testing.assert_allclose(masks[:, 1:].sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose((masks @ np.arange(COUNT))[:, 1:], images[:, 1:], atol=0.01)
    assert (images.reshape(COUNT, -1).mean(1) != np.arange(COUNT)).mean() > 0.5


def test_cutmix_pastes_one_rectangle_of_the_partner() -> None:
    images = arrays(build("cutmix", rate=1.0), numbered())["images"][..., 0]
    pasted = images != np.arange(COUNT)[:, None, None]
    assert pasted.any(axis=(1, 2)).mean() > 0.5
    for image, where in zip(images, pasted, strict=True):
        if where.any():
            rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
            assert where.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
            assert len(np.unique(image[where])) == 1


@pytest.mark.parametrize("name", MIXING)
def test_the_rate_tells_how_many_images_are_mixed(name: str) -> None:
    mixed = []
    for seed in range(10):
        labels = arrays(build(name, alpha=1.0, rate=0.3), numbered(), (seed, 0))["labels"]
        mixed.append((labels.max(-1) < 1).mean())
    assert np.mean(mixed) == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_shares_are_beta_distributed(alpha: float) -> None:
    augment = build("mixup", alpha=alpha)
    shares = np.concatenate([np.diagonal(arrays(augment, numbered(), (seed, 1))["labels"]) for seed in range(30)])
    assert shares.mean() == pytest.approx(0.5, abs=0.05)
    assert shares.var() == pytest.approx(0.25 / (2 * alpha + 1), rel=0.2)


def test_a_batch_of_one_image_stays_as_it_is() -> None:
    one = {key: value[3:4] for key, value in numbered().items()}
    for name in MIXING:
        after = arrays(build(name, rate=1.0), one)
        for key, value in one.items():
            np.testing.assert_allclose(after[key], value, atol=1e-4)


def lost(table: dict[str, Any], seeds: int = 5) -> np.ndarray:
    """Which pixels of white images were erased: bool (N, H, W)."""
    white = {"images": tf.fill((COUNT, *SIZE, 3), 255.0), "labels": numbered()["labels"]}
    augment = build("random_erasing", fill="black", **table)
    return np.concatenate([arrays(augment, white, (seed, 2))["images"][..., 0] == 0 for seed in range(seeds)])


def test_erased_rectangles_have_the_area_and_the_shape_that_were_asked_for() -> None:
    where = lost({"rate": 1.0, "area": [0.1, 0.2], "aspect": [0.5, 2.0]})
    shares = where.mean(axis=(1, 2))
    assert shares.min() > 0.08
    assert shares.max() < 0.23
    assert shares.std() > 0.01
    for each in where:
        tall, wide = each.any(1).sum(), each.any(0).sum()
        assert each.sum() == tall * wide
        assert 0.4 < tall / wide < 2.5
    assert where.any(0).all()


def test_the_rate_tells_how_many_images_lose_something() -> None:
    assert lost({"rate": 0.25}).any(axis=(1, 2)).mean() == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize(("setting", "ignored"), [("keep", False), ("ignore", True)])
def test_what_is_erased_is_kept_or_ignored_in_masks(setting: str, ignored: bool) -> None:
    batch = {
        "images": tf.fill((COUNT, *SIZE, 3), 255.0),
        "segmentation_masks": tf.ones((COUNT, *SIZE, 1), tf.int32),
    }
    after = arrays(build("random_erasing", "segmentation", rate=1.0, fill="grey", mask=setting), batch)
    where = after["images"][..., 0] < 255
    assert where.any()
    expected = np.where(where & ignored, tlkit.IGNORE, 1)
    np.testing.assert_array_equal(after["segmentation_masks"][..., 0], expected)


def test_aug_mix_moves_pixels_of_a_classification_but_not_of_a_segmentation() -> None:
    random = np.random.default_rng(0)
    images = np.zeros((16, *SIZE, 3), np.float32)
    images[:, 8:16, 10:22] = random.uniform(60, 255, (16, 1, 1, 3))
    batch = {"images": tf.constant(images)}
    outside = np.ones(SIZE, bool)
    outside[8:16, 10:22] = False
    spread = {}
    for task in ("classification", "segmentation"):
        after = arrays(build("aug_mix", task, severity=10.0), batch)["images"]
        spread[task] = [len(np.unique(image[outside].round(2), axis=0)) > 1 for image in after]
    assert any(spread["classification"])
    assert not any(spread["segmentation"])


@pytest.mark.parametrize("value", [0.0, 128.0, 255.0])
@pytest.mark.parametrize("name", ["aug_mix", "color_jitter", "random_erasing"])
def test_images_of_one_colour_stay_finite(name: str, value: float) -> None:
    after = arrays(build(name), {"images": tf.fill((4, *SIZE, 3), value)})["images"]
    assert np.isfinite(after).all()
