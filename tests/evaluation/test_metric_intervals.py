"""The intervals of an evaluation's metrics: each measures what the metric itself measures."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.evaluation.metric_intervals import measure_of, metric_intervals
from tlkit.evaluation.metrics import multi_label_metrics, segmentation_metrics, single_label_metrics
from tlkit.evaluation.outcome import ClassificationOutcome, Outcome, SegmentationOutcome

CLASSES = [f"class {number}" for number in range(7)]


def single() -> ClassificationOutcome:
    random = np.random.default_rng(0)
    labels = random.integers(0, 6, 90)  # class 6 does not occur
    scores = random.random((90, 7)) * [1, 1, 1, 1, 1, 1, 0.5]
    scores[np.arange(90), labels] += 0.3
    probabilities = (scores / scores.sum(1, keepdims=True)).astype(np.float32)
    metrics = single_label_metrics(probabilities, labels, CLASSES)
    return ClassificationOutcome(np.arange(90), np.zeros(90), metrics, probabilities, labels, None)


def several() -> ClassificationOutcome:
    random = np.random.default_rng(0)
    labels = (random.random((60, 7)) < 0.3).astype(np.float32)
    probabilities = np.clip(labels * 0.4 + 0.7 * random.random((60, 7)), 0, 1).astype(np.float32)
    metrics = multi_label_metrics(probabilities, labels, CLASSES)
    return ClassificationOutcome(np.arange(60), np.zeros(60), metrics, probabilities, labels, None)


def masks() -> SegmentationOutcome:
    random = np.random.default_rng(0)
    counts = random.integers(0, 50, (20, 3, 3))
    counts[:, 2] = counts[:, :, 2] = 0  # class 2 does not occur
    pixels = np.stack([counts.diagonal(axis1=1, axis2=2), counts.sum(2), counts.sum(1)], 1).astype(np.uint32)
    metrics = segmentation_metrics(counts.sum(0), CLASSES[:3])
    return SegmentationOutcome(np.arange(20), np.zeros(20), metrics, counts.sum(0), np.zeros(20), pixels)


@pytest.mark.parametrize("outcome", [single(), several(), masks()])
def test_each_image_once_gives_the_metric_and_its_interval_contains_it(outcome) -> None:
    measure = measure_of(outcome)
    assert measure is not None
    found = measure(np.ones(len(outcome.rows), int))
    bounds = metric_intervals(outcome)
    bounds |= {f"iou:{name}": each for name, each in bounds.pop("iou", {}).items()}
    expected = outcome.metrics | {f"iou:{name}": value for name, value in outcome.metrics.get("iou", {}).items()}
    for name, value in found.items():
        if expected[name] is None:
            assert np.isnan(value)
            assert name not in bounds
            continue
        assert value == pytest.approx(expected[name])
        low, high = bounds[name]
        assert low < high
        assert low <= value + 0.02
        assert high >= value - 0.02
    assert {"accuracy", "macro_f1"} <= set(found) or {"mean_iou", "mean_dice", "pixel_accuracy"} <= set(found)


def test_twice_as_often_is_what_two_copies_give() -> None:
    outcome = single()
    weights = np.ones(90, int)
    weights[:30] = 2
    rows = np.repeat(np.arange(90), weights)
    expected = single_label_metrics(outcome.probabilities[rows], outcome.labels[rows], CLASSES)
    found = measure_of(outcome)(weights)
    assert found == pytest.approx({name: expected[name] for name in found})


def test_an_unknown_kind_of_outcome_has_none() -> None:
    assert metric_intervals(Outcome(np.arange(3), np.zeros(3), {})) == {}
