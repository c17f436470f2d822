from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from augment_batches import SEED, SIZE, arrays, assert_same, built, is_rectangle, made, photos_for, plain, scene
from scipy import stats
from tlkit_augment import draws

MIXING = ("mixup", "cutmix")


def greys(count: int) -> dict[str, Any]:
    """Return images of one grey value each, each with its own class."""
    return {**plain(np.linspace(0, 255, count)), "labels": tf.one_hot(tf.range(count), count)}


def pasted_in(batch: dict[str, Any], after: dict[str, np.ndarray]) -> np.ndarray:
    """Return the pixels (N, H, W) that changed."""
    return (after["images"] != batch["images"].numpy()).any(axis=-1)


def own_share(after: dict[str, np.ndarray]) -> np.ndarray:
    """Return the weight of its own label that each image kept; each image has its own class."""
    return np.diagonal(after["labels"])


@pytest.mark.parametrize("name", MIXING)
def test_labels_are_mixed_like_the_images(name: str) -> None:
    batch = greys(64)
    after = arrays(built(name), batch)
    assert (own_share(after) < 1).any()
    values = batch["images"].numpy()[:, 0, 0, 0]
    np.testing.assert_allclose(after["images"].mean(axis=(1, 2, 3)), after["labels"] @ values, atol=0.05)


@pytest.mark.parametrize("name", MIXING)
def test_masks_are_mixed_like_the_images(name: str) -> None:
    before = scene(32, one_hot=True)
    after = arrays(built(name), before)
    masks = after["segmentation_masks"]
    assert masks.dtype == np.float32
    assert not np.array_equal(masks, before["segmentation_masks"])
    # In the scene the grey value gives the class, and 255 an ignored pixel.
    expected = masks @ np.array([0, 85, 170]) + (1 - masks.sum(axis=-1)) * 255
    np.testing.assert_allclose(after["images"][..., 0], expected, atol=0.01)


@pytest.mark.parametrize("name", MIXING)
def test_the_weights_of_a_label_are_in_0_to_1_and_add_up_to_1(name: str) -> None:
    labels = arrays(built(name), greys(64))["labels"]
    assert labels.dtype == np.float32
    assert labels.min() >= 0
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert ((labels > 0).sum(axis=1) <= 2).all()


@pytest.mark.parametrize("name", MIXING)
def test_each_image_is_the_partner_of_one_other(name: str) -> None:
    labels = arrays(made(name, alpha=100), greys(64))["labels"]
    partners = np.where(np.eye(64, dtype=bool), 0, labels).argmax(axis=1)
    mixed = labels.max(axis=1) < 1
    assert mixed.mean() > 0.9
    assert len(set(partners[mixed])) == mixed.sum()


@pytest.mark.parametrize("name", MIXING)
def test_pixels_that_both_images_ignore_stay_ignored(name: str) -> None:
    before = scene(32, one_hot=True)
    hidden = before["segmentation_masks"].numpy()
    hidden[:, :8] = 0
    after = arrays(built(name), {**before, "segmentation_masks": tf.constant(hidden)})["segmentation_masks"]
    assert (after[:, :8] == 0).all()
    assert after.sum(axis=-1).max() <= 1 + 1e-6


def test_a_pixel_that_one_image_ignores_counts_less_after_mixup() -> None:
    before = scene(32, one_hot=True)
    sums = arrays(made("mixup", alpha=1), before)["segmentation_masks"].sum(axis=-1)
    assert ((sums > 0.05) & (sums < 0.95)).any()


@pytest.mark.parametrize("name", MIXING)
def test_rate_is_the_fraction_of_images_that_are_mixed(name: str) -> None:
    count, rate = 400, 0.25
    mixed = own_share(arrays(made(name, alpha=100, rate=rate), greys(count))) < 1
    assert abs(mixed.mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / count)


@pytest.mark.parametrize("name", MIXING)
def test_a_batch_of_one_image_stays_as_it_is(name: str) -> None:
    for batch in (photos_for(name, 1), scene(1, one_hot=True)):
        after = arrays(made(name, alpha=100), batch)
        for key, value in batch.items():
            np.testing.assert_allclose(after[key], value, atol=1e-4)


@pytest.mark.parametrize("name", MIXING)
def test_multi_hot_labels_are_mixed_too(name: str) -> None:
    batch = greys(16)
    doubled = {**batch, "labels": tf.tile(batch["labels"], [1, 2])}
    labels = arrays(built(name), doubled)["labels"]
    np.testing.assert_array_equal(labels, np.tile(arrays(built(name), batch)["labels"], 2))


@pytest.mark.parametrize("name", MIXING)
def test_other_entries_stay_as_they_are(name: str) -> None:
    batch = {**photos_for(name), "weights": tf.ones(8)}
    after = built(name)(batch, tf.constant(SEED))
    assert after.keys() == batch.keys()
    assert after["weights"] is batch["weights"]


@pytest.mark.parametrize("name", MIXING)
def test_a_traced_call_draws_the_same_as_an_eager_one(name: str) -> None:
    batch = photos_for(name)
    direct, traced = arrays(built(name), batch), arrays(tf.function(built(name)), batch)
    for key, value in direct.items():
        np.testing.assert_allclose(traced[key], value, atol=1e-3)


def test_mixup_weights_each_image_by_its_own_beta_draw() -> None:
    count, alpha = 512, 0.4
    after = arrays(made("mixup", alpha=alpha), greys(count))
    share = own_share(after)
    assert stats.kstest(share[share < 1], stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_cutmix_pastes_a_rectangle_from_the_same_place_in_the_partner() -> None:
    count = 64
    batch = photos_for("cutmix", count)
    before, after = batch["images"].numpy(), arrays(built("cutmix"), batch)
    pasted = pasted_in(batch, after)
    partners = np.where(np.eye(count, dtype=bool), 0, after["labels"]).argmax(axis=1)
    assert all(is_rectangle(where) for where in pasted)
    np.testing.assert_array_equal(after["images"], np.where(pasted[..., np.newaxis], before[partners], before))


def test_cutmix_mixes_labels_by_the_pasted_area() -> None:
    batch = greys(64)
    after = arrays(built("cutmix"), batch)
    pasted = pasted_in(batch, after).mean(axis=(1, 2))
    assert pasted.max() > 0.5
    np.testing.assert_allclose(1 - own_share(after), pasted, atol=1e-6)


def test_an_unclipped_cutmix_rectangle_has_the_images_aspect_ratio_and_the_drawn_area() -> None:
    batch = greys(256)
    # With this alpha all draws are near one half.
    pasted = pasted_in(batch, arrays(made("cutmix", alpha=100), batch))
    rows, columns = pasted.any(axis=2), pasted.any(axis=1)
    whole = ~(rows[:, [0, -1]].any(axis=1) | columns[:, [0, -1]].any(axis=1)) & pasted.any(axis=(1, 2))
    assert whole.sum() > 5
    heights, widths = rows[whole].sum(axis=1), columns[whole].sum(axis=1)
    np.testing.assert_allclose(widths, heights * SIZE[1] / SIZE[0], atol=SIZE[1] / SIZE[0])
    np.testing.assert_allclose(heights * widths / (SIZE[0] * SIZE[1]), 0.5, atol=0.15)


def test_cutmix_rectangles_reach_every_corner() -> None:
    batch = greys(256)
    pasted = pasted_in(batch, arrays(built("cutmix"), batch))
    corners = pasted[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean(axis=0)
    assert corners.min() > 0.05
    assert pasted.mean(axis=0).max() < 0.8


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.2, 1.0, 5.0, 100.0])
def test_beta_draws_follow_the_beta_distribution(alpha: float) -> None:
    values = draws.beta(4000, tf.constant(SEED), alpha).numpy()
    assert np.isfinite(values).all()
    assert 0 <= values.min() <= values.max() <= 1
    # float32 has few values within 1e-6 of 1.
    inner = np.clip(values, 1e-6, 1 - 1e-6)
    distribution = stats.beta(alpha, alpha)
    levels = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
    share = (inner[:, np.newaxis] <= levels).mean(axis=0)
    expected = distribution.cdf(levels)
    assert (np.abs(share - expected) <= 5 * np.sqrt(expected * (1 - expected) / 4000) + 1e-9).all()


def test_dirichlet_draws_add_up_to_1_and_are_symmetric() -> None:
    shares = draws.dirichlet((4000, 3), tf.constant(SEED), 0.5).numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    marginal = stats.beta(0.5, 1.0)
    assert all(stats.kstest(column, marginal.cdf).pvalue > 0.01 for column in shares.T)


def test_permutations_contain_every_number_once_and_differ_by_seed() -> None:
    first, second = (draws.permutation(100, tf.constant([1, seed])).numpy() for seed in (1, 2))
    np.testing.assert_array_equal(np.sort(first), np.arange(100))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("name", MIXING)
def test_earlier_draws_do_not_matter(name: str) -> None:
    first = arrays(built(name), greys(16))
    tf.random.set_seed(5)
    tf.random.uniform((3,))
    assert_same(first, arrays(built(name), greys(16)))
