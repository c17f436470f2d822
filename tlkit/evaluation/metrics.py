"""The final metrics of a split, as plain values that can be written as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tlkit.models.iou import iou_from_confusion

Metrics = dict[str, Any]


def single_label_metrics(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Metrics:
    """Return accuracy, F1 and the metrics of each class where an image has one label.

    Computed by scikit-learn; a division by zero counts as 0.

    Args:
        probabilities: float (N, classes) in 0-1, N at least 1.
        labels: int (N,) class numbers.
        classes: class names.

    Returns:
        ``accuracy``, ``top5_accuracy`` (with more than 5 classes), ``macro_f1`` (over the classes that occur in the
        truth or in the prediction, as scikit-learn's default), ``per_class`` (name → ``precision``, ``recall``,
        ``f1``, ``support``) and ``count``.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support, top_k_accuracy_score

    numbers = list(range(len(classes)))
    predicted = probabilities.argmax(1)
    result: Metrics = {"accuracy": float(accuracy_score(labels, predicted))}
    if len(classes) > 5:
        result["top5_accuracy"] = float(top_k_accuracy_score(labels, probabilities, k=5, labels=numbers))
    scores = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0)
    occurs = np.isin(numbers, labels) | np.isin(numbers, predicted)
    result["macro_f1"] = float(scores[2][occurs].mean())
    result["per_class"] = _per_class(scores, classes)
    result["count"] = len(labels)
    return result


def multi_label_metrics(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Metrics:
    """Return accuracy, F1, average precision and the metrics of each class where an image has several labels.

    Computed by scikit-learn at the threshold 0.5; a division by zero counts as 0.

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
    from sklearn.metrics import (
        accuracy_score,
        average_precision_score,
        f1_score,
        precision_recall_fscore_support,
    )

    truth = labels.astype(np.int64)
    predicted = (probabilities > 0.5).astype(np.int64)
    scores = precision_recall_fscore_support(truth, predicted, average=None, zero_division=0)
    positive = np.flatnonzero(truth.any(0))
    occurs = truth.any(0) | predicted.any(0)
    precisions = [average_precision_score(truth[:, each], probabilities[:, each]) for each in positive]
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "micro_f1": float(f1_score(truth, predicted, average="micro", zero_division=0)),
        "macro_f1": float(scores[2][occurs].mean()) if occurs.any() else 0.0,
        "mean_average_precision": float(np.mean(precisions)) if precisions else None,
        "per_class": _per_class(scores, classes),
        "count": len(labels),
    }


def _per_class(scores: Sequence[np.ndarray], classes: Sequence[str]) -> dict[str, Metrics]:
    return {
        name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
        for name, precision, recall, f1, support in zip(classes, *scores, strict=True)
    }


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
    dice = 2 * iou / (1 + iou)
    pixels = int(confusion.sum())
    return {
        "pixel_accuracy": float(np.trace(confusion) / pixels) if pixels else 0.0,
        "mean_iou": _mean(iou),
        "mean_dice": _mean(dice),
        "iou": {name: _number(value) for name, value in zip(classes, iou, strict=True)},
        "dice": {name: _number(value) for name, value in zip(classes, dice, strict=True)},
        "pixels": pixels,
    }


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
