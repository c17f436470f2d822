"""What predicting the commonest class gives: the metrics of that prediction."""

from __future__ import annotations

import numpy as np
import pytest

from tlkit.evaluation.commonest import commonest_class
from tlkit.evaluation.metrics import multi_label_metrics, segmentation_metrics, single_label_metrics
from tlkit.evaluation.outcome import ClassificationOutcome, Outcome, SegmentationOutcome

CLASSES = ("ant", "bee", "cow")


def test_it_is_measured_as_any_prediction() -> None:
    labels = np.array([0, 1, 1, 1, 0])
    outcome = ClassificationOutcome(np.arange(5), np.zeros(5), {}, np.zeros((5, 3)), labels, None)
    always = np.tile(np.array([0.0, 1.0, 0.0]), (5, 1))
    metrics = single_label_metrics(always, labels, CLASSES)
    found = commonest_class(outcome, CLASSES)
    assert found == pytest.approx({"class": "bee"} | {name: metrics[name] for name in ("accuracy", "macro_f1")})


def test_each_label_that_most_images_have_is_predicted() -> None:
    labels = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    outcome = ClassificationOutcome(np.arange(4), np.zeros(4), {}, np.zeros((4, 3)), labels, None)
    metrics = multi_label_metrics(np.tile(np.array([1.0, 0.0, 0.0]), (4, 1)), labels, CLASSES)
    assert commonest_class(outcome, CLASSES) == {"accuracy": metrics["accuracy"]} == {"accuracy": 0.5}


def test_the_commonest_class_of_pixels_fills_each_mask() -> None:
    confusion = np.array([[50, 10, 0], [5, 30, 0], [0, 0, 0]])
    outcome = SegmentationOutcome(np.arange(1), np.zeros(1), {}, confusion, np.zeros(1), np.zeros((1, 3, 3)))
    metrics = segmentation_metrics(np.array([[60, 0, 0], [35, 0, 0], [0, 0, 0]]), CLASSES)
    names = ("pixel_accuracy", "mean_iou", "mean_dice")
    assert commonest_class(outcome, CLASSES) == pytest.approx(
        {"class": "ant"} | {name: metrics[name] for name in names}
    )


def test_where_nothing_was_measured_there_is_none() -> None:
    nothing = SegmentationOutcome(np.arange(1), np.zeros(1), {}, np.zeros((3, 3)), np.zeros(1), np.zeros((1, 3, 3)))
    assert commonest_class(nothing, CLASSES) == {}
    assert commonest_class(Outcome(np.arange(1), np.zeros(1), {}), CLASSES) == {}
