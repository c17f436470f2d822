"""The metrics of images of which each counts any number of times, as in a draw of the bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tlkit.evaluation.metrics import Scores, dice_of, mean_of_known
from tlkit.models.scores import iou_from_counts

IOU = "iou:"
"""What the names of the IoU of single classes begin with."""

Measure = Callable[[np.ndarray], Mapping[str, float | None]]
"""Returns metrics from how often each image counts, int (N,); None or NaN for one that has no value."""


class SingleLabelMeasure:
    """Accuracy and F1 of images with one label.

    Args:
        labels: int (N,) true class numbers.
        predicted: int (N,) predicted ones.
        classes: the number of classes.
        among: bool (N,), whether the truth is among the five highest probabilities; None to leave that out.
    """

    def __init__(
        self, labels: np.ndarray, predicted: np.ndarray, classes: int, among: np.ndarray | None = None
    ) -> None:
        self._labels, self._predicted, self._classes, self._among = labels, predicted, classes, among
        self.correct = labels == predicted

    def __call__(self, weights: np.ndarray) -> Mapping[str, float | None]:
        """Return ``accuracy``, ``top5_accuracy`` if it was asked for, and ``macro_f1``."""
        total = weights.sum()
        hits = np.bincount(self._labels[self.correct], weights[self.correct], self._classes)
        found: dict[str, float | None] = {"accuracy": hits.sum() / total}
        if self._among is not None:
            found["top5_accuracy"] = weights[self._among].sum() / total
        true, predicted = (np.bincount(each, weights, self._classes) for each in (self._labels, self._predicted))
        return found | {"macro_f1": Scores(hits, true, predicted).macro_f1}


class MultiLabelMeasure:
    """Accuracy and F1 of images with any number of labels.

    Args:
        truth: bool (N, classes), which have which class.
        predicted: bool (N, classes), which are predicted to.
    """

    def __init__(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        self.correct = (truth == predicted).all(1)
        self._counts = [each.astype(np.float32) for each in (truth & predicted, truth, predicted)]

    def __call__(self, weights: np.ndarray) -> Mapping[str, float | None]:
        """Return ``accuracy``, ``micro_f1`` and ``macro_f1``."""
        weights = weights.astype(np.float32)
        counts = [weights @ each for each in self._counts]
        return {
            "accuracy": float(weights @ self.correct / weights.sum()),
            "micro_f1": float(Scores(*(each.sum(keepdims=True) for each in counts)).f1[0]),
            "macro_f1": Scores(*counts).macro_f1,
        }


class SegmentationMeasure:
    """Pixel accuracy, IoU and Dice of masks.

    Args:
        pixels: int (N, 3, classes), how many pixels of each image are true positives of each class, truly have it, and
            are predicted to.
        names: the classes.
    """

    def __init__(self, pixels: np.ndarray, names: Sequence[str]) -> None:
        self._pixels = pixels.reshape(len(pixels), -1).astype(np.float64)  # once, rather than for each draw
        self._names = list(names)

    def __call__(self, weights: np.ndarray) -> Mapping[str, float | None]:
        """Return ``pixel_accuracy``, ``mean_iou``, ``mean_dice`` and, under ``IOU`` and its name, the IoU by class."""
        hits, true, predicted = (weights @ self._pixels).reshape(3, -1)
        iou = iou_from_counts(hits, true, predicted)
        found: dict[str, float | None] = {
            "pixel_accuracy": float(hits.sum() / true.sum()) if true.any() else None,
            "mean_iou": mean_of_known(iou),
            "mean_dice": mean_of_known(dice_of(iou)),
        }
        return found | {f"{IOU}{name}": value for name, value in zip(self._names, iou.tolist(), strict=True)}
