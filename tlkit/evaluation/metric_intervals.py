"""The 95 % intervals of the metrics of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

from tlkit.evaluation.intervals import intervals
from tlkit.evaluation.metrics import Metrics, Scores, among_five_highest, dice_of, mean_of_known
from tlkit.evaluation.outcome import ClassificationOutcome, Outcome, SegmentationOutcome
from tlkit.models.scores import iou_from_counts

_IOU = "iou:"
_SHARES = ("accuracy", "top5_accuracy")
"""The metrics that are a share of the images."""


def metric_intervals(outcome: Outcome, groups: Sequence[Hashable | None] | None = None) -> Metrics:
    """Return the interval of each metric that stands for all images.

    Args:
        outcome: the evaluation.
        groups: the group of each of its images, such as a patient; None for one that is in none.

    Returns:
        metric → [its lower bound, its upper bound]; for a segmentation also ``iou``: class → its bounds. Metrics that
        need all images in order, such as the mean average precision, have none; nor has one that is the same whichever
        images are drawn, as the mean IoU of perfect masks.
    """
    measure: Callable[[np.ndarray], Mapping[str, float | None]]
    if isinstance(outcome, SegmentationOutcome):
        measure = _Segmentation(outcome)
    elif isinstance(outcome, ClassificationOutcome):
        measure = _SingleLabel(outcome) if outcome.labels.ndim == 1 else _MultiLabel(outcome)
    else:
        return {}
    bounds = {name: list(each) for name, each in intervals(measure, len(outcome.rows), groups, _SHARES).items()}
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
            self._among = among_five_highest(outcome.probabilities, outcome.labels)

    def __call__(self, weights: np.ndarray) -> Mapping[str, float | None]:
        total = weights.sum()
        hits = np.bincount(self._labels[self._correct], weights[self._correct], self._classes)
        found: dict[str, float | None] = {"accuracy": hits.sum() / total}
        if self._among is not None:
            found["top5_accuracy"] = weights[self._among].sum() / total
        true, predicted = (np.bincount(each, weights, self._classes) for each in (self._labels, self._predicted))
        return found | {"macro_f1": Scores(hits, true, predicted).macro_f1}


class _MultiLabel:
    def __init__(self, outcome: ClassificationOutcome) -> None:
        truth, predicted = outcome.labels > 0.5, outcome.probabilities > 0.5
        self._correct = (truth == predicted).all(1)
        self._counts = [each.astype(np.float32) for each in (truth & predicted, truth, predicted)]

    def __call__(self, weights: np.ndarray) -> Mapping[str, float | None]:
        weights = weights.astype(np.float32)
        counts = [weights @ each for each in self._counts]
        return {
            "accuracy": float(weights @ self._correct / weights.sum()),
            "micro_f1": float(Scores(*(each.sum(keepdims=True) for each in counts)).f1[0]),
            "macro_f1": Scores(*counts).macro_f1,
        }


class _Segmentation:
    def __init__(self, outcome: SegmentationOutcome) -> None:
        self._pixels = outcome.pixels
        self._names = list(outcome.metrics["iou"])

    def __call__(self, weights: np.ndarray) -> Mapping[str, float | None]:
        hits, true, predicted = np.tensordot(weights.astype(np.float64), self._pixels, 1)
        iou = iou_from_counts(hits, true, predicted)
        found: dict[str, float | None] = {
            "pixel_accuracy": float(hits.sum() / true.sum()) if true.any() else None,
            "mean_iou": mean_of_known(iou),
            "mean_dice": mean_of_known(dice_of(iou)),
        }
        return found | {f"{_IOU}{name}": value for name, value in zip(self._names, iou.tolist(), strict=True)}
