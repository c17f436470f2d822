"""A cross-validated linear head: who judges an image has not trained on it, and what one fold lacks is no error."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from tlkit.evaluation.intervals import group_numbers
from tlkit.evaluation.linear_head import _folds, out_of_fold_probabilities


def blobs(count: int, classes: int, *, apart: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features, float32 (N, 16), around a centre a class, and the classes."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = random.normal(size=(classes, 16)) * apart
    return (centres[labels] + random.normal(size=(count, 16))).astype(np.float32), labels


def test_classes_that_features_tell_apart_are_found():
    features, labels = blobs(120, 4)
    found = out_of_fold_probabilities(features, labels, 4)
    assert found.shape == (120, 4)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found.argmax(1) == labels).mean() > 0.95


def test_features_that_say_nothing_give_nothing_away():
    features = np.random.default_rng(1).normal(size=(200, 60)).astype(np.float32)
    labels = np.random.default_rng(2).integers(0, 2, 200)
    found = out_of_fold_probabilities(features, labels, 2)
    assert 0.35 < (found.argmax(1) == labels).mean() < 0.65  # 1.0 for a head that trained on them


def test_the_scale_of_a_feature_does_not_matter_and_a_constant_one_is_no_error():
    features, labels = blobs(80, 3)
    scaled = np.hstack([features * np.float32(1000), np.full((80, 1), 7, np.float32)])
    np.testing.assert_allclose(
        out_of_fold_probabilities(scaled, labels, 3), out_of_fold_probabilities(features, labels, 3), atol=0.02
    )


def test_images_of_a_group_are_judged_together():
    random = np.random.default_rng(0)
    groups = [f"patient {number // 4}" for number in range(120)]
    labels = np.repeat(random.integers(0, 2, 30), 4)  # a patient's images have one label, which nothing else tells
    features = np.repeat(random.normal(size=(30, 64)), 4, 0) + random.normal(size=(120, 64)) * 0.01
    alone = out_of_fold_probabilities(features, labels, 2)
    together = out_of_fold_probabilities(features, labels, 2, groups=groups)
    assert (alone.argmax(1) == labels).mean() > 0.95  # the head knows the patient
    assert (together.argmax(1) == labels).mean() < 0.75


def test_the_seed_decides_the_folds():
    features, labels = blobs(60, 3, apart=0.5)
    first, again, other = (out_of_fold_probabilities(features, labels, 3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_each_of_many_labels_is_judged_alone():
    features, classes = blobs(120, 4)
    labels = np.zeros((120, 3), np.float32)
    labels[:, 0], labels[:, 1] = classes % 2, classes >= 2  # nothing has the third
    found = out_of_fold_probabilities(features, labels, 3)
    assert ((found > 0.5) == (labels > 0.5)).mean() > 0.95
    assert (found[:, 2] == 0).all()


@pytest.mark.parametrize("groups", [None, ["one"] * 11])
def test_classes_with_fewer_images_than_folds_are_no_error(groups):
    features, _ = blobs(11, 3)
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 3])
    found = out_of_fold_probabilities(features, labels, 5, groups=groups)
    np.testing.assert_allclose(found.sum(1), 1)
    assert found[9, 2] == 0  # no other image of its class to learn from
    assert (found[:, 4] == 0).all()


def test_two_images_are_enough():
    found = out_of_fold_probabilities(np.eye(2, dtype=np.float32), np.array([0, 1]), 2)
    np.testing.assert_array_equal(found, [[0, 1], [1, 0]])


@pytest.mark.parametrize("count", [350, 900])
def test_of_many_features_the_components_tell_as_much(count):
    features, labels = blobs(count, 4, apart=0.7)
    wide = features @ np.random.default_rng(5).normal(size=(16, 600)).astype(np.float32)
    found = out_of_fold_probabilities(wide, labels, 4)
    few = out_of_fold_probabilities(features, labels, 4)
    assert abs((found.argmax(1) == labels).mean() - (few.argmax(1) == labels).mean()) < 0.04


@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
@pytest.mark.parametrize("labels", [np.arange(200) % 3, np.arange(200) // 66])
def test_images_in_groups_are_judged_in_the_folds_of_scikit_learn(labels):
    groups = [f"patient {number // 7}" if number % 5 else None for number in range(200)]
    numbers = group_numbers(200, groups)
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=4)
    theirs = list(splitter.split(labels, labels, numbers))
    for (trained, held), (their_trained, their_held) in zip(_folds(labels, 5, groups, 4), theirs, strict=True):
        np.testing.assert_array_equal(trained, their_trained)
        np.testing.assert_array_equal(held, their_held)
