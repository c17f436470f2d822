"""What is right without a model: the metrics of predicting the commonest class for everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlkit.evaluation.metrics import Metrics
from tlkit.evaluation.outcome import ClassificationOutcome, Outcome, SegmentationOutcome

CLASS = "class"
"""The key of the commonest class's name."""


def commonest_class(outcome: Outcome, classes: Sequence[str]) -> Metrics:
    """Return the metrics of a model that predicts for each image, or pixel, what is commonest among those measured.

    Args:
        outcome: the evaluation.
        classes: class names.

    Returns:
        ``class``, the name of the class (not of several labels per image, where each label is predicted that most
        images have), and those metrics of the evaluation that follow from it; empty if nothing was measured.
    """
    if isinstance(outcome, SegmentationOutcome):
        return _of_counts(outcome.confusion.sum(1), classes, ("pixel_accuracy", "mean_iou", "mean_dice"))
    if not isinstance(outcome, ClassificationOutcome):
        return {}
    if outcome.labels.ndim == 1:
        return _of_counts(np.bincount(outcome.labels, minlength=len(classes)), classes, ("accuracy", "", "macro_f1"))
    truth = outcome.labels > 0.5
    return {"accuracy": float((truth == (truth.mean(0) > 0.5)).all(1).mean())}


def _of_counts(counts: np.ndarray, classes: Sequence[str], names: tuple[str, str, str]) -> Metrics:
    """Return the share of the commonest class, and the means of IoU and of F1 (Dice) over the classes that occur.

    Only the commonest class has hits, and all that is not of it is a false positive.
    """
    total, best = int(counts.sum()), int(counts.argmax())
    if not total:
        return {}
    share, occurring = counts[best] / total, int((counts > 0).sum())
    values = (share, share / occurring, 2 * share / (1 + share) / occurring)
    return {CLASS: classes[best]} | {name: float(value) for name, value in zip(names, values, strict=True) if name}
