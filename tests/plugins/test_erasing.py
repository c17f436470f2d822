from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from augment_batches import IGNORE, SIZE, arrays, built, is_rectangle, made, photos, scene

WHITE = {"rate": 1, "fill": "constant", "fill_value": 255}


def erased(count: int = 300, **table: Any) -> np.ndarray:
    """Return which pixels (N, H, W) of black images are overwritten."""
    black = {"images": tf.zeros((count, *SIZE, 3))}
    images = arrays(made("random_erasing", **{**WHITE, **table}), black)["images"]
    assert set(np.unique(images)) <= {0, 255}
    return images[..., 0] == 255


def sides(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return where.any(axis=2).sum(axis=1), where.any(axis=1).sum(axis=1)


def test_each_image_loses_one_rectangle() -> None:
    where = erased()
    assert all(is_rectangle(each) for each in where)
    assert where.any(axis=(1, 2)).all()


@pytest.mark.parametrize(("low", "high"), [(0.02, 0.4), (0.1, 0.2), (0.3, 0.3)])
def test_the_area_is_within_its_bounds_up_to_rounding(low: float, high: float) -> None:
    heights, widths = sides(erased(area=[low, high]))
    whole = SIZE[0] * SIZE[1]
    assert ((heights - 0.5) * (widths - 0.5) <= high * whole).all()
    assert ((heights + 0.5) * (widths + 0.5) >= low * whole).all()
    shares = heights * widths / whole
    assert np.ptp(shares) >= 0.8 * (high - low)


@pytest.mark.parametrize(("low", "high"), [(0.3, 1 / 0.3), (0.5, 0.6), (1, 1)])
def test_the_aspect_is_within_its_bounds_up_to_rounding(low: float, high: float) -> None:
    heights, widths = sides(erased(aspect=[low, high]))
    assert ((heights - 0.5) <= high * (widths + 0.5)).all()
    assert ((heights + 0.5) >= low * (widths - 0.5)).all()


def test_every_pixel_can_be_erased() -> None:
    share = erased(1000).mean(axis=0)
    assert share.min() > 0
    assert share.max() < 0.5


def test_rate_is_the_fraction_of_images_that_lose_a_rectangle() -> None:
    count, rate = 400, 0.25
    lost = erased(count, rate=rate).any(axis=(1, 2))
    assert abs(lost.mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / count)


def test_an_image_that_no_rectangle_fits_stays_as_it_is() -> None:
    assert not erased(area=[0.9, 0.9], aspect=[5, 5]).any()


def test_a_rectangle_may_be_the_whole_image() -> None:
    square = SIZE[0] / SIZE[1]
    assert erased(area=[1, 1], aspect=[square, square]).all()


def test_noise_is_drawn_for_each_pixel_and_channel_over_the_whole_range() -> None:
    grey = tf.fill((64, *SIZE, 3), 127.5)
    images = arrays(made("random_erasing", rate=1), {"images": grey})["images"]
    noise = images[(images != 127.5).any(axis=-1)]
    np.testing.assert_array_equal(np.unique(noise), np.arange(256))
    assert abs(noise.mean() - 127.5) < 2
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.05


def test_mean_fills_with_the_images_mean_colour() -> None:
    before = photos(16)["images"].numpy()
    after = arrays(made("random_erasing", rate=1, fill="mean"), {"images": tf.constant(before)})["images"]
    for old, new in zip(before, after, strict=True):
        changed = new[(new != old).any(axis=-1)]
        np.testing.assert_allclose(changed, np.broadcast_to(old.mean(axis=(0, 1)), changed.shape), atol=0.01)


def test_the_rest_of_the_image_stays_as_it_is() -> None:
    before = photos(16)["images"].numpy()
    after = arrays(built("random_erasing"), {"images": tf.constant(before)})["images"]
    assert all(is_rectangle(where) for where in (before != after).any(axis=-1))
    assert 0.3 < (before == after).all(axis=-1).mean() < 1


@pytest.mark.parametrize("mask", ["keep", "ignore"])
def test_the_mask_under_the_rectangle_is_kept_or_ignored(mask: str) -> None:
    before = {**scene(), "images": tf.zeros((8, *SIZE, 3))}
    after = arrays(made("random_erasing", **WHITE, mask=mask), before)
    where = after["images"][..., :1] == 255
    assert where.any()
    old = before["segmentation_masks"].numpy()
    expected = np.where(where, IGNORE, old) if mask == "ignore" else old
    assert after["segmentation_masks"].dtype == np.int32
    np.testing.assert_array_equal(after["segmentation_masks"], expected)
