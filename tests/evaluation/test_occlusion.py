"""Occlusion, and how far two heat maps agree."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.evaluation.map_agreement import agreement
from tlkit.evaluation.occlusion import occlusion_map


def image(height: int = 40, width: int = 56) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def brightness(rows: slice, columns: slice, sign: float = 1.0):
    """Return evidence that is a place's difference from its colours in the image: covering it alone changes it."""
    before = image()[rows, columns].astype(float)

    def evidence(images: np.ndarray) -> np.ndarray:
        return -sign * np.abs(images[:, rows, columns] - before).mean((1, 2, 3))

    return evidence


def test_the_map_is_hot_where_the_evidence_is():
    found = occlusion_map(image(), brightness(slice(8, 14), slice(30, 40)), 5)
    assert found.shape == (40, 56)
    assert found.dtype == np.float32
    assert found[8:14, 30:40].min() > 0
    top, left = np.unravel_index(found.argmax(), found.shape)
    assert 8 <= top < 14
    assert 30 <= left < 40
    assert not found[25:].any()
    assert not found[:, :14].any()


def test_what_speaks_against_the_class_is_below_zero():
    assert occlusion_map(image(), brightness(slice(8, 14), slice(30, 40), -1.0), 5)[10, 35] < 0


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (7, 7), (13, 29)])
def test_each_pixel_is_covered_whatever_the_size(size):
    found = occlusion_map(image(*size), lambda images: images.reshape(len(images), -1).std(1), 3)
    assert np.isfinite(found).all()


def test_no_batch_is_larger_than_asked_for_and_the_image_stays_as_it_is():
    counts = []
    given = image()

    def evidence(images: np.ndarray) -> np.ndarray:
        counts.append(len(images))
        return np.zeros(len(images))

    occlusion_map(given, evidence, 4)
    assert max(counts) == 4
    assert sum(counts) > 100
    np.testing.assert_array_equal(given, image())


def test_equal_maps_agree_and_opposite_ones_do_not():
    ramp = np.linspace(1, 2, 28 * 28).reshape(28, 28)
    same, opposite = agreement(ramp, 3 * ramp**2), agreement(ramp, 3 - ramp)
    assert (same.rank_correlation, same.overlap) == pytest.approx((1, 1))
    assert (opposite.rank_correlation, opposite.overlap) == pytest.approx((-1, 0))


def test_maps_by_chance_agree_by_chance():
    random = np.random.default_rng(0)
    found = [agreement(*random.uniform(size=(2, 56, 56))) for _ in range(40)]
    assert abs(np.mean([each.rank_correlation for each in found])) < 0.05
    assert np.mean([each.overlap for each in found]) == pytest.approx(0.2, abs=0.03)


def test_a_map_that_is_the_same_everywhere_has_no_agreement():
    found = agreement(np.zeros((20, 20)), np.random.default_rng(0).uniform(size=(20, 20)))
    assert np.isnan([found.rank_correlation, found.overlap]).all()
