"""A linear head on fixed features, cross-validated: what images are, said by heads that did not train on them.

Multinomial logistic regression on standardised features, of many features on their first principal components, which
are found without the labels. The strength of its penalty is that with the lowest log loss
on the images that the first fold leaves out. Where images have several labels, each label has a regression of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from tlkit.data.splits.group_folds import deal_groups
from tlkit.data.splits.group_numbers import without_gaps
from tlkit.evaluation.components import principal_components
from tlkit.evaluation.intervals import group_numbers

_COMPONENTS = 256
"""Principal components: of 1,280 features they take a third of the time, and give the same accuracy within 0.4 %."""
_PENALTIES = (1e-3, 1e-2, 1e-1)
"""The inverse strengths of the penalty to choose from (``C`` of scikit-learn)."""
_ITERATIONS, _TOLERANCE = 200, 1e-2
"""Of the solver. A closer solution takes ten times as long, and has the same log loss on images left out."""
_TINY = 1e-15


def out_of_fold_probabilities(
    features: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    folds: int = 5,
    groups: Sequence[Hashable | None] | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Return the probabilities of each image's classes by a linear head that did not train on it.

    Args:
        features: float (N, D), N at least 2.
        labels: int (N,) class numbers, or multi-hot (N, classes).
        classes: the number of classes, K.
        folds: the number of folds, at least 2; fewer where there are not so many images or groups.
        groups: the group of each image, which stay in one fold; None for one that is in none, and for none at all.
        seed: decides which images are in which fold.

    Returns:
        float64 (N, K); each row of single labels sums to 1. A class that none of a fold's training images has gets 0.
    """
    targets = np.asarray(labels) > 0.5 if np.ndim(labels) == 2 else np.asarray(labels, np.int64)
    found = np.zeros((len(targets), classes))
    penalties: tuple[float, ...] = _PENALTIES
    scaled = principal_components(_standardised(features), _COMPONENTS)
    for trained, held_out in _folds(targets, folds, groups, seed):
        tried = [
            _probabilities(scaled[trained], targets[trained], scaled[held_out], classes, each) for each in penalties
        ]
        best = int(np.argmin([_log_loss(each, targets[held_out]) for each in tried]))
        penalties = penalties[best : best + 1]
        found[held_out] = tried[best]
    return found


def _standardised(features: np.ndarray) -> np.ndarray:
    """Return features of mean 0 and standard deviation 1, float32 (N, D)."""
    # Of large data, features in double precision would take more memory than all else.
    mean, deviation = (each.astype(np.float32) for each in (features.mean(0, np.float64), features.std(0, np.float64)))
    scaled: np.ndarray = (features.astype(np.float32, copy=False) - mean) / np.where(deviation > 0, deviation, 1)
    return scaled


def _probabilities(
    features: np.ndarray, targets: np.ndarray, held_out: np.ndarray, classes: int, penalty: float
) -> np.ndarray:
    """Return the probabilities of the held-out images by a head that trains on the others, float64 (n, classes)."""
    found = np.zeros((len(held_out), classes))
    if targets.ndim == 1:
        known, values = _fitted(features, targets, held_out, penalty)
        found[:, known] = values
        return found
    for label, column in enumerate(targets.T):
        known, values = _fitted(features, column, held_out, penalty)
        found[:, label] = values[:, known].sum(1)  # of True, if an image has the label
    return found


def _fitted(
    features: np.ndarray, labels: np.ndarray, held_out: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes that were trained on, and the probabilities of the held-out images for each of them."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    known = np.unique(labels)
    if len(known) == 1:
        return known, np.ones((len(held_out), 1))
    head = LogisticRegression(C=penalty, max_iter=_ITERATIONS, tol=_TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # Nearly converged is as good for a choice.
        head.fit(features, labels)
    found = np.asarray(head.predict_proba(held_out), np.float64)
    return known, found / found.sum(1, keepdims=True)  # of float32, which sums to 1 only nearly


def _folds(
    targets: np.ndarray, folds: int, groups: Sequence[Hashable | None] | None, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the training and the held-out images of each fold; single labels are stratified as far as they can be."""
    from sklearn.model_selection import StratifiedKFold

    strata = np.zeros(len(targets), np.int64) if targets.ndim == 2 else targets
    of_image = group_numbers(len(targets), groups)
    count = len(np.unique(of_image))
    grouped = 1 < count < len(of_image)
    folds = min(folds, count if grouped else len(of_image))
    if not grouped and np.bincount(strata).max() < folds:
        strata = np.zeros_like(strata)
    if grouped:
        fold_of = deal_groups(of_image, without_gaps(strata), folds, seed)
        yield from ((np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(folds))
        return
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        yield from splitter.split(strata, strata)


def _log_loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    clipped = np.clip(probabilities, _TINY, 1 - _TINY)
    if targets.ndim == 2:
        return float(-np.where(targets, np.log(clipped), np.log(1 - clipped)).mean())
    return float(-np.log(clipped[np.arange(len(targets)), targets]).mean())
