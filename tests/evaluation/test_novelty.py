"""How far images are from those that a model was trained on."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.evaluation.novelty import (
    KnownFeatures,
    known_features,
    left_out_distances,
    new_class_distances,
    p_values,
)


def clusters(count: int = 40, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centers = 5 * np.random.default_rng(9).normal(size=(classes, 16))
    labels = np.repeat(np.arange(classes), count)
    return (centers[labels] + random.normal(size=(len(labels), 16)) + 3).astype(np.float32), labels


def test_the_distance_is_1_minus_the_cosine_with_the_nearest_class_seen_from_the_mean():
    features, labels = clusters()
    known = known_features(features, labels)
    center = features.mean(0)
    seen = features[7] - center
    cosines = [
        seen @ mean / np.linalg.norm(seen) / np.linalg.norm(mean)
        for mean in (features[labels == each].mean(0) - center for each in range(5))
    ]
    assert known.distances(features[7:8])[0] == pytest.approx(1 - max(cosines), abs=1e-5)


def test_other_images_are_farther_than_those_of_the_classes():
    features, labels = clusters()
    known = known_features(features, labels)
    near = known.distances(clusters(seed=1)[0])
    other = known.distances(features.mean(0) + np.random.default_rng(2).normal(size=(50, 16)))
    assert near.max() < np.quantile(other, 0.1)


def test_a_training_image_that_is_left_out_is_as_far_as_a_new_one():
    features, labels = clusters(8)
    known = known_features(features, labels)
    new = known.distances(clusters(400, seed=1)[0])
    assert left_out_distances(features, labels, known).mean() == pytest.approx(new.mean(), rel=0.15)
    assert known.distances(features).mean() < 0.95 * new.mean()  # what a training image counts for itself


def test_left_out_distances_are_those_without_the_image():
    features, labels = clusters(6)
    known = known_features(features, labels)
    found = left_out_distances(features, labels, known)
    for row in (0, 13, 29):
        others = np.arange(len(labels)) != row
        without = KnownFeatures(known.center, known.directions.copy())
        mean = features[others & (labels == labels[row])].mean(0) - known.center
        without.directions[labels[row]] = mean / np.linalg.norm(mean)
        assert found[row] == pytest.approx(without.distances(features[row : row + 1])[0], abs=1e-5)


def test_the_only_image_of_a_class_is_compared_with_the_others():
    features, labels = clusters(6)
    labels = labels.copy()
    labels[0] = 5
    known = known_features(features, labels)
    assert known.distances(features[:1])[0] < 1e-5
    assert left_out_distances(features, labels, known)[0] > 1e-4


def test_several_labels_per_image_have_a_mean_each_and_images_without_one_as_well():
    features, labels = clusters()
    several = np.eye(5)[labels][:, :4]  # those of the last class have no label
    one, other = known_features(features, labels), known_features(features, several)
    np.testing.assert_allclose(one.directions, other.directions, atol=1e-5)
    np.testing.assert_allclose(
        left_out_distances(features, labels, one), left_out_distances(features, several, other), atol=1e-5
    )


def test_an_image_of_a_class_that_is_left_out_is_farther():
    features, labels = clusters()
    known = known_features(features, labels)
    assert (new_class_distances(features, labels, known) > known.distances(features)).mean() > 0.95


def test_at_most_the_asked_share_of_images_like_the_held_out_ones_has_so_small_a_p_value():
    random = np.random.default_rng(0)
    flagged = [(p_values(random.normal(size=500), np.sort(random.normal(size=79))) <= 0.05).mean() for _ in range(300)]
    assert np.mean(flagged) == pytest.approx(0.05, abs=0.006)


def test_p_values_count_the_image_itself():
    held_out = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(p_values(np.array([0.5, 3.0, 4.0]), held_out), [1, 0.5, 0.25])
