"""The 95 % intervals of the metrics of an evaluation."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from tlkit.evaluation.intervals import intervals
from tlkit.evaluation.metrics import Metrics, among_five_highest
from tlkit.evaluation.outcome import ClassificationOutcome, Outcome, SegmentationOutcome
from tlkit.evaluation.weighted_metrics import IOU, Measure, MultiLabelMeasure, SegmentationMeasure, SingleLabelMeasure

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
    measure = measure_of(outcome)
    if measure is None:
        return {}
    bounds = {name: list(each) for name, each in intervals(measure, len(outcome.rows), groups, _SHARES).items()}
    of_classes = {name.removeprefix(IOU): bounds.pop(name) for name in list(bounds) if name.startswith(IOU)}
    return {**bounds, "iou": of_classes} if of_classes else dict(bounds)


def measure_of(outcome: Outcome) -> Measure | None:
    """Return the function that gives an evaluation's metrics when images count any number of times; None: unknown."""
    if isinstance(outcome, SegmentationOutcome):
        return SegmentationMeasure(outcome.pixels, list(outcome.metrics["iou"]))
    if not isinstance(outcome, ClassificationOutcome):
        return None
    if outcome.labels.ndim == 2:
        return MultiLabelMeasure(outcome.labels > 0.5, outcome.probabilities > 0.5)
    among = None
    if "top5_accuracy" in outcome.metrics:
        among = among_five_highest(outcome.probabilities, outcome.labels)
    classes = outcome.probabilities.shape[1]
    return SingleLabelMeasure(outcome.labels, outcome.probabilities.argmax(1), classes, among)
