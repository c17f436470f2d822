"""What becomes of precision and recall if a label is given at another probability than 0.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STEPS = 100
"""Thresholds are multiples of one over this."""
_DEFAULT = STEPS // 2
_MAX_CLASSES = 40
"""Classes whose counts at all thresholds a page has; of more, the commonest."""
_TABLE = (10, 20, 30, 40, 50, 60, 70, 80, 90)
"""The thresholds of the table, in steps."""


@dataclass(frozen=True)
class AtThreshold:
    """The figures of a class at a threshold.

    Args:
        threshold: the probability above which an image gets the label.
        precision: the share of the images with the predicted label that truly have it; None if there are none.
        recall: the share of the images that have the label that are predicted to; None if none has it.
        f1: the harmonic mean of both; 0 if no image is found.
        counts: true positives, false positives, false negatives and true negatives.
    """

    threshold: float
    precision: float | None
    recall: float | None
    f1: float
    counts: tuple[int, int, int, int]


@dataclass(frozen=True)
class Curve:
    """The counts of a class at each threshold from 0 to 1.

    Args:
        name: the class.
        hits: int (STEPS + 1,), the true positives.
        alarms: int (STEPS + 1,), the false positives.
        true: the number of images that have the label.
        total: the number of images.
    """

    name: str
    hits: np.ndarray
    alarms: np.ndarray
    true: int
    total: int

    def at(self, step: int) -> AtThreshold:
        """Return the figures at a threshold."""
        hits, alarms = int(self.hits[step]), int(self.alarms[step])
        given = hits + alarms
        return AtThreshold(
            step / STEPS,
            hits / given if given else None,
            hits / self.true if self.true else None,
            2 * hits / max(given + self.true, 1),
            (hits, alarms, self.true - hits, self.total - self.true - alarms),
        )

    @property
    def default(self) -> AtThreshold:
        """The figures at 0.5, where the model gives the label."""
        return self.at(_DEFAULT)

    @property
    def best(self) -> AtThreshold:
        """The figures at the threshold of the highest F1, of several the one nearest to 0.5."""
        scores = 2 * self.hits / np.maximum(self.hits + self.alarms + self.true, 1)
        highest = np.flatnonzero(scores >= scores.max() - 1e-12)
        return self.at(int(highest[np.argmin(np.abs(highest - _DEFAULT))]))

    @property
    def table(self) -> list[AtThreshold]:
        """The figures at the tenths."""
        return [self.at(step) for step in _TABLE]


@dataclass(frozen=True)
class Thresholds:
    """The classes of a split at all thresholds.

    Args:
        curves: one per class.
        chosen: the class to begin with.
        left_out: the number of classes that have no curve.
    """

    curves: Sequence[Curve]
    chosen: int
    left_out: int = 0

    def for_script(self) -> list[dict[str, object]]:
        """Return the counts for the page's script."""
        return [
            {"hits": each.hits.tolist(), "alarms": each.alarms.tolist(), "true": each.true, "total": each.total}
            for each in self.curves
        ]


def thresholds(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Thresholds:
    """Return the counts of each class at each threshold.

    As scikit-learn's ``confusion_matrix_at_thresholds``, whose import would take longer than all of this, but for what
    lies on a threshold: as in a prediction, only a probability above it gives the label.

    Args:
        probabilities: float (N, classes).
        labels: int (N,) class numbers, or multi-hot (N, classes).
        classes: class names.
    """
    truth = labels[:, None] == np.arange(len(classes)) if labels.ndim == 1 else labels > 0.5
    shown = np.arange(len(classes))
    if len(classes) > _MAX_CLASSES:
        shown = np.sort(np.argsort(-truth.sum(0), kind="stable")[:_MAX_CLASSES])
    curves = [_curve(probabilities[:, each], truth[:, each], classes[each]) for each in shown.tolist()]
    return Thresholds(curves, 1 if labels.ndim == 1 else 0, len(classes) - len(curves))


def _curve(probabilities: np.ndarray, truth: np.ndarray, name: str) -> Curve:
    steps = np.arange(STEPS + 1) / STEPS
    hits, alarms = (_above(probabilities[each], steps) for each in (truth, ~truth))
    return Curve(name, hits, alarms, int(truth.sum()), len(truth))


def _above(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return how many values lie above each limit."""
    return len(values) - np.searchsorted(np.sort(values), limits.astype(values.dtype), "right")
