"""The 95 % intervals of the metrics of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

from tlkit.evaluation.intervals import intervals
from tlkit.evaluation.metrics import Metrics
from tlkit.evaluation.outcome import ClassificationOutcome, Outcome, SegmentationOutcome

_IOU = "iou:"


def metric_intervals(outcome: Outcome, groups: Sequence[Hashable | None] | None = None) -> Metrics:
    """Return the interval of each metric that stands for all images.

    Args:
        outcome: the evaluation.
        groups: the group of each of its images, such as a patient; None for one that is in none.

    Returns:
        metric → [its lower bound, its upper bound]; for a segmentation also ``iou``: class → its bounds. Metrics that
        need all images in order, such as the mean average precision, have none.
    """
    measure: Callable[[np.ndarray], Mapping[str, float]]
    if isinstance(outcome, SegmentationOutcome):
        measure = _Segmentation(outcome)
    elif isinstance(outcome, ClassificationOutcome):
        measure = _SingleLabel(outcome) if outcome.labels.ndim == 1 else _MultiLabel(outcome)
    else:
        return {}
    bounds = {name: list(each) for name, each in intervals(measure, len(outcome.rows), groups).items()}
    of_classes = {name.removeprefix(_IOU): bounds.pop(name) for name in list(bounds) if name.startswith(_IOU)}
    return {**bounds, "iou": of_classes} if of_classes else dict(bounds)


class _SingleLabel:
    def __init__(self, outcome: ClassificationOutcome) -> None:
        self._labels = outcome.labels
        self._predicted = outcome.probabilities.argmax(1)
        self._correct = self._labels == self._predicted
        self._classes = outcome.probabilities.shape[1]
        self._among = None
        if "top5_accuracy" in outcome.metrics:
            highest = np.argsort(outcome.probabilities, 1, kind="stable")[:, -5:]
            self._among = (highest == self._labels[:, None]).any(1)

    def __call__(self, weights: np.ndarray) -> Mapping[str, float]:
        total = weights.sum()
        hits = np.bincount(self._labels[self._correct], weights[self._correct], self._classes)
        found = {"accuracy": hits.sum() / total}
        if self._among is not None:
            found["top5_accuracy"] = weights[self._among].sum() / total
        either = np.bincount(self._labels, weights, self._classes)
        either += np.bincount(self._predicted, weights, self._classes)
        found["macro_f1"] = _macro_f1(hits, either)
        return found


class _MultiLabel:
    def __init__(self, outcome: ClassificationOutcome) -> None:
        truth, predicted = outcome.labels > 0.5, outcome.probabilities > 0.5
        self._correct = (truth == predicted).all(1)
        self._hits = (truth & predicted).astype(np.float32)
        self._either = truth.astype(np.float32) + predicted

    def __call__(self, weights: np.ndarray) -> Mapping[str, float]:
        weights = weights.astype(np.float32)
        hits, either = weights @ self._hits, weights @ self._either
        return {
            "accuracy": float(weights @ self._correct / weights.sum()),
            "micro_f1": float(2 * hits.sum() / max(either.sum(), 1)),
            "macro_f1": _macro_f1(hits, either),
        }


class _Segmentation:
    def __init__(self, outcome: SegmentationOutcome) -> None:
        self._pixels = outcome.pixels
        self._names = list(outcome.metrics["iou"])

    def __call__(self, weights: np.ndarray) -> Mapping[str, float]:
        hits, true, predicted = np.tensordot(weights.astype(np.float64), self._pixels, 1)
        either = true + predicted
        known = either > 0
        iou = np.full(len(hits), np.nan)
        iou[known] = hits[known] / (either - hits)[known]
        dice = 2 * iou / (1 + iou)
        found = {"pixel_accuracy": float(hits.sum() / true.sum()) if true.any() else np.nan}
        found["mean_iou"] = float(iou[known].mean()) if known.any() else np.nan
        found["mean_dice"] = float(dice[known].mean()) if known.any() else np.nan
        return found | {f"{_IOU}{name}": value for name, value in zip(self._names, iou.tolist(), strict=True)}


def _macro_f1(hits: np.ndarray, either: np.ndarray) -> float:
    """Return the mean F1 of the classes that occur, from the true positives and the sum of truth and prediction."""
    occurs = either > 0
    return float((2 * hits[occurs] / either[occurs]).mean()) if occurs.any() else 0.0
