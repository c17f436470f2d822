"""Nearest neighbours by features: near-duplicates and outliers."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.evaluation import neighbours as module
from tlkit.evaluation.neighbours import nearest_neighbours


def cloud(count: int = 100) -> np.ndarray:
    return (1 + 0.3 * np.random.default_rng(0).normal(size=(count, 12))).astype(np.float32)


def test_the_nearest_neighbours_are_those_of_the_smallest_angle():
    features = cloud()
    found = nearest_neighbours(features, 5)
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    angles = 1 - directions @ directions.T
    np.fill_diagonal(angles, np.inf)
    np.testing.assert_array_equal(found.places[:, 0], angles.argmin(1))
    np.testing.assert_allclose(found.distances, np.sort(angles, 1)[:, :5], atol=1e-5)


def test_copies_are_near_duplicates_and_others_are_not():
    features = np.vstack([cloud(), cloud()[3:4] * 1.5])
    near = nearest_neighbours(features).near_duplicates
    assert near.any(1).nonzero()[0].tolist() == [3, 100]


def test_an_image_that_is_unlike_all_others_is_an_outlier():
    features = np.vstack([cloud(), -np.ones((1, 12), np.float32)])
    assert nearest_neighbours(features).outliers.nonzero()[0].tolist() == [100]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_images_are_no_error(count):
    found = nearest_neighbours(cloud(count))
    assert found.places.shape == (count, count - 1)
    assert not found.outliers.any()
    assert found.near_duplicates.shape == (count, count - 1)


def test_features_that_are_all_zero_are_no_error():
    assert np.isfinite(nearest_neighbours(np.zeros((4, 3), np.float32)).distances).all()


def test_near_duplicates_join_the_groups_of_both():
    features = np.vstack([cloud(20), cloud(20)[:1] * 2, cloud(20)[1:2] * 2])
    groups = [None] * 18 + ["a", "a", "b", None]  # the 21st image is like the first, the 22nd like the second
    joined = nearest_neighbours(features, 5).with_duplicates(groups)
    assert joined[0] == joined[20]
    assert joined[1] == joined[21]
    assert joined[18] == joined[19]
    assert len(set(joined)) == 19


def test_of_many_images_the_components_find_the_same_neighbours(monkeypatch):
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 8)) @ random.normal(size=(8, 200)) + 0.01 * random.normal(size=(300, 200))
    exact = nearest_neighbours(features, 3)
    monkeypatch.setattr(module, "_MANY", 200)
    monkeypatch.setattr(module, "_COMPONENTS", 12)
    found = nearest_neighbours(features, 3)
    assert (found.places == exact.places).mean() > 0.95
    np.testing.assert_allclose(found.distances, exact.distances, atol=2e-3)
