"""The result of running a model over labelled samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tlkit.evaluation.metrics import Metrics


@dataclass(frozen=True)
class Outcome:
    """The result of an evaluation, whatever the task.

    Args:
        rows: int (N,) row numbers of the samples in the data.
        losses: float32 (N,) cross-entropy of each sample; for a mask, the mean over its pixels that are not ignored.
        metrics: the metrics of all samples together, ``loss`` first.
    """

    rows: np.ndarray
    losses: np.ndarray
    metrics: Metrics

    @property
    def losses_name(self) -> str:
        """What ``losses`` are called: ``cross_entropy`` where ``loss`` is the recipe's other loss."""
        return "cross_entropy" if "cross_entropy" in self.metrics else "loss"


@dataclass(frozen=True)
class ClassificationOutcome(Outcome):
    """The result of evaluating a classification.

    Args:
        probabilities: float32 (N, classes).
        labels: int (N,), or float32 multi-hot (N, classes), in the model's class numbers.
        confusion: int64 (classes, classes), rows are the truth; None for multi-label classification.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    confusion: np.ndarray | None

    @property
    def correct(self) -> np.ndarray:
        """Which images are predicted correctly, of several labels all of them: bool (N,)."""
        if self.labels.ndim == 1:
            return np.asarray(self.probabilities.argmax(1) == self.labels)
        return np.asarray(((self.probabilities > 0.5) == (self.labels > 0.5)).all(1))


@dataclass(frozen=True)
class SegmentationOutcome(Outcome):
    """The result of evaluating a segmentation.

    Args:
        confusion: int64 (classes, classes) pixel counts, rows are the truth.
        ious: float64 (N,) mean IoU of each image over the classes that occur in it; NaN if all its pixels are ignored.
        pixels: uint32 (N, 3, classes), how many pixels of each image are true positives of each class, truly have it,
            and are predicted to.
        predictions: position of an image in ``rows`` → its predicted mask, uint8 (H, W), for evenly spaced ones that
            take little memory, and possibly for none.
    """

    confusion: np.ndarray
    ious: np.ndarray
    pixels: np.ndarray
    predictions: Mapping[int, np.ndarray] = field(default_factory=dict)
