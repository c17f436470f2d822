"""Sets of labels that hold with a wanted probability."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.evaluation.conformal import coverage, label_sets, set_limit, set_scores


def draw(random: np.random.Generator, count: int, sharpness: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities that are too certain, and labels."""
    logits = random.normal(size=(count, 6)) * sharpness
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (true.cumsum(1) > random.uniform(size=(count, 1))).argmax(1)
    certain = true**3
    return certain / certain.sum(1, keepdims=True), labels


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_the_sets_have_the_true_label_as_often_as_asked_for_although_the_model_is_too_certain(level):
    random = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        limit = set_limit(set_scores(*draw(random, 74)), level)
        shares.append(coverage(*draw(random, 500), limit).share)
    assert np.mean(shares) == pytest.approx(level, abs=0.012)
    assert np.mean(shares) > level - 0.003


def test_the_limit_has_the_correction_for_a_finite_number():
    scores = np.arange(1, 10) / 10
    assert set_limit(scores, 0.9) == 0.9
    assert set_limit(scores, 0.5) == 0.5
    assert set_limit(scores, 0.91) == 1  # 9 images can't tell: every label is in the set


def test_the_most_probable_label_is_always_in_the_set():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.34, 0.33, 0.33]])
    np.testing.assert_array_equal(label_sets(probabilities, 0.1), [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(label_sets(probabilities, 0.7), [[1, 1, 0], [1, 1, 1]])


def test_coverage_has_the_share_its_error_and_the_size():
    found = coverage(np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.9, 0.1]]), np.array([1, 0, 1, 1]), 0.6)
    assert (found.share, found.size) == (0.75, 1.25)
    assert found.error == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
