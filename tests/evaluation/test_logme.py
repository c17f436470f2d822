"""LogME: against the published code, against the density that it is, and what it orders."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits, load_iris, load_wine

from tlkit.evaluation.logme import logme


@pytest.mark.parametrize(
    ("load", "published"),
    [(load_iris, -0.160060243662), (load_wine, -0.004461018100), (load_digits, 0.270277626975)],
    ids=["iris", "wine", "digits"],
)
def test_it_is_that_of_the_published_code(load, published) -> None:
    """The numbers of LogME.py of github.com/thuml/LogME at 56551ca; the digits divided by 16."""
    features, labels = load(return_X_y=True)
    if load is load_digits:
        features = features / 16
    assert logme(features, labels) == pytest.approx(published, abs=1e-9)


@pytest.mark.parametrize("size", [5, 80], ids=["fewer features than images", "more"])
def test_it_is_the_greatest_evidence_of_a_bayesian_regression(size: int) -> None:
    random = np.random.default_rng(0)
    features = random.standard_normal((40, size))
    labels = (features[:, 0] + 0.3 * random.standard_normal(40) > 0).astype(int)

    def negative(logarithms: np.ndarray, target: np.ndarray) -> float:
        prior, noise = np.exp(logarithms)
        covariance = np.eye(40) / noise + features @ features.T / prior
        return -float(multivariate_normal.logpdf(target, np.zeros(40), covariance))

    best = [minimize(negative, np.zeros(2), (labels == each,), method="Nelder-Mead").fun for each in (0, 1)]
    assert logme(features, labels) == pytest.approx(-np.mean(best) / 40, abs=1e-2)


def test_features_that_tell_the_classes_apart_come_before_noise() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, 200)
    noise = random.standard_normal((200, 500))
    useful = noise.copy()
    useful[np.arange(200), labels] += 4
    assert logme(useful, labels) > logme(useful[:, :100], labels[random.permutation(200)])
    assert logme(useful, labels) > logme(noise, labels)


def test_multi_hot_labels_are_targets_of_their_own() -> None:
    random = np.random.default_rng(0)
    features, labels = random.standard_normal((50, 8)), random.integers(0, 3, 50)
    assert logme(features, np.eye(3)[labels]) == logme(features, labels)


def test_features_that_are_all_zero_explain_nothing() -> None:
    assert np.isfinite(logme(np.zeros((6, 3)), np.array([0, 1, 0, 1, 0, 1])))
