"""The final metrics of a split, as plain values that can be written as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlkit.models.scores import iou_from_confusion

Metrics = dict[str, Any]

TABLES = ("per_class", "iou", "dice", "intervals", "commonest", "calibration")
"""The metrics that are tables; each other one is a number, or None."""


def single_label_metrics(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Metrics:
    """Return accuracy, F1 and the metrics of each class where an image has one label.

    Defined as by scikit-learn, whose import would take longer than all of this; a division by zero counts as 0.

    Args:
        probabilities: float (N, classes) in 0-1, N at least 1.
        labels: int (N,) class numbers.
        classes: class names.

    Returns:
        ``accuracy``, ``top5_accuracy`` (with more than 5 classes), ``macro_f1`` (over the classes that occur in the
        truth or in the prediction, as scikit-learn's default), ``per_class`` (name → ``precision``, ``recall``,
        ``f1``, ``support``) and ``count``.
    """
    numbers = np.arange(len(classes))
    predicted = probabilities.argmax(1)
    result: Metrics = {"accuracy": float(np.mean(predicted == labels))}
    if len(classes) > 5:
        result["top5_accuracy"] = float(among_five_highest(probabilities, labels).mean())
    scores = Scores.of(labels[:, None] == numbers, predicted[:, None] == numbers)
    result["macro_f1"] = scores.macro_f1
    result["per_class"] = scores.per_class(classes)
    result["count"] = len(labels)
    return result


def among_five_highest(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return whether the label of each image, int (N,), has one of its five highest probabilities: bool (N,)."""
    highest = np.argsort(probabilities, 1, kind="stable")[:, -5:]
    return np.asarray((highest == labels[:, None]).any(1))


def multi_label_metrics(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Metrics:
    """Return accuracy, F1, average precision and the metrics of each class where an image has several labels.

    Defined as by scikit-learn, at the threshold 0.5; a division by zero counts as 0.

    Args:
        probabilities: float (N, classes) in 0-1, N at least 1.
        labels: (N, classes) multi-hot.
        classes: class names.

    Returns:
        ``accuracy`` (share of the images whose labels are all correct), ``micro_f1``, ``macro_f1`` (over the classes
        that occur in the truth or in the prediction), ``mean_average_precision`` (over the classes that have a
        positive sample; None if there is none), ``per_class`` (name → ``precision``, ``recall``, ``f1``, ``support``)
        and ``count``.
    """
    truth, predicted = labels > 0.5, probabilities > 0.5
    scores = Scores.of(truth, predicted)
    together = Scores.of(truth.reshape(-1, 1), predicted.reshape(-1, 1))
    precisions = [_average_precision(truth[:, each], probabilities[:, each]) for each in np.flatnonzero(truth.any(0))]
    return {
        "accuracy": float((truth == predicted).all(1).mean()),
        "micro_f1": float(together.f1[0]),
        "macro_f1": scores.macro_f1,
        "mean_average_precision": float(np.mean(precisions)) if precisions else None,
        "per_class": scores.per_class(classes),
        "count": len(labels),
    }


@dataclass(frozen=True)
class Scores:
    """The scores of each class; a division by zero counts as 0.

    Args:
        hits: int (classes,), the samples that truly have the class and are predicted to.
        true: int (classes,), those that truly have it.
        predicted: int (classes,), those that are predicted to.
    """

    hits: np.ndarray
    true: np.ndarray
    predicted: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, predicted: np.ndarray) -> Scores:
        """Count the samples, given which have which class and which are predicted to: both bool (N, classes)."""
        return cls((truth & predicted).sum(0), truth.sum(0), predicted.sum(0))

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that occur; 0 if none does."""
        return float(self.f1[self.occurs].mean()) if self.occurs.any() else 0.0

    @property
    def occurs(self) -> np.ndarray:
        """Which classes occur in the truth or in the prediction, bool (classes,)."""
        return (self.true > 0) | (self.predicted > 0)

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of precision and recall of each class, float64 (classes,)."""
        return np.asarray(2 * self.hits / np.maximum(self.true + self.predicted, 1))

    def per_class(self, classes: Sequence[str]) -> dict[str, Metrics]:
        """Return class name → ``precision``, ``recall``, ``f1`` and ``support``."""
        precision, recall = self.hits / np.maximum(self.predicted, 1), self.hits / np.maximum(self.true, 1)
        columns = {"precision": precision, "recall": recall, "f1": self.f1, "support": self.true}
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return {name: dict(zip(columns, row, strict=True)) for name, row in zip(classes, rows, strict=True)}


def _average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean of the precisions at the score of each positive sample; samples of one score come together."""
    order = np.argsort(-scores, kind="stable")
    truth, scores = truth[order], scores[order]
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    hits = truth.cumsum()[ends]
    return float((np.diff(hits, prepend=0) * hits / (ends + 1)).sum() / hits[-1])


def segmentation_metrics(confusion: np.ndarray, classes: Sequence[str]) -> Metrics:
    """Return pixel accuracy, intersection over union and Dice.

    Args:
        confusion: int64 (classes, classes) counts of pixels that are not ignored; rows are the truth.
        classes: class names.

    Returns:
        ``pixel_accuracy`` (0 if all pixels are ignored), ``mean_iou`` and ``mean_dice`` (over the classes that occur in
        the truth or in the prediction, None when none does), ``iou`` and ``dice`` (class name → value, None for a
        class that does not occur) and ``pixels``, the number of pixels that are not ignored.
    """
    iou = iou_from_confusion(confusion)
    dice = dice_of(iou)
    pixels = int(confusion.sum())
    return {
        "pixel_accuracy": float(np.trace(confusion) / pixels) if pixels else 0.0,
        "mean_iou": mean_of_known(iou),
        "mean_dice": mean_of_known(dice),
        "iou": {name: _number(value) for name, value in zip(classes, iou, strict=True)},
        "dice": {name: _number(value) for name, value in zip(classes, dice, strict=True)},
        "pixels": pixels,
    }


def dice_of(iou: np.ndarray) -> np.ndarray:
    """Return the Dice coefficients that belong to values of intersection over union."""
    return np.asarray(2 * iou / (1 + iou))


def mean_of_known(values: np.ndarray) -> float | None:
    """Return the mean of the values that are not NaN; None if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
