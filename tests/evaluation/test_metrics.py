"""The final metrics of a split."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tlkit.evaluation.metrics import multi_label_metrics, segmentation_metrics, single_label_metrics

CLASSES = ("cat", "dog", "fox")


def one_hot(numbers: list[int], classes: int = 3) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[numbers]


def test_accuracy_precision_and_recall_of_a_hand_computed_case() -> None:
    metrics = single_label_metrics(one_hot([0, 0, 1, 1]), np.array([0, 1, 1, 1]), CLASSES)
    assert metrics["accuracy"] == pytest.approx(3 / 4)
    assert metrics["per_class"]["cat"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert metrics["per_class"]["dog"] == {"precision": 1.0, "recall": pytest.approx(2 / 3), "f1": 0.8, "support": 3}
    assert metrics["count"] == 4


def test_macro_f1_excludes_a_class_that_is_neither_true_nor_predicted() -> None:
    metrics = single_label_metrics(one_hot([0, 0, 1, 1]), np.array([0, 1, 1, 1]), CLASSES)
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert metrics["per_class"]["fox"]["support"] == 0


def test_a_class_that_is_only_predicted_counts_as_zero_in_macro_f1() -> None:
    metrics = single_label_metrics(one_hot([0, 2]), np.array([0, 0]), CLASSES)
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_only_more_than_five_classes_have_a_top5_accuracy() -> None:
    shares = np.tile(np.arange(6, dtype=np.float32), (2, 1)) / 15
    metrics = single_label_metrics(shares, np.array([0, 1]), "abcdef")
    assert metrics["top5_accuracy"] == 0.5
    assert "top5_accuracy" not in single_label_metrics(shares[:, :5], np.array([0, 1]), "abcde")


def test_multi_label_accuracy_requires_all_labels_of_an_image_to_be_correct() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 0]], np.float32)
    shares = np.array([[0.9, 0.8, 0.1], [0.9, 0.7, 0.1]], np.float32)
    metrics = multi_label_metrics(shares, truth, CLASSES)
    assert metrics["accuracy"] == 0.5
    assert metrics["micro_f1"] == pytest.approx(6 / 7)
    assert metrics["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics["mean_average_precision"] == 1.0


def test_multi_label_without_any_positive_has_no_mean_average_precision() -> None:
    metrics = multi_label_metrics(np.zeros((2, 3), np.float32), np.zeros((2, 3)), CLASSES)
    assert metrics["mean_average_precision"] is None
    assert metrics["accuracy"] == 1.0


def test_iou_and_dice_of_a_hand_computed_case() -> None:
    metrics = segmentation_metrics(np.array([[6, 2], [1, 3]]), ("ground", "tree"))
    assert metrics["iou"] == {"ground": pytest.approx(6 / 9), "tree": pytest.approx(3 / 6)}
    assert metrics["dice"] == {"ground": pytest.approx(12 / 15), "tree": pytest.approx(6 / 9)}
    assert metrics["mean_iou"] == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert metrics["pixel_accuracy"] == pytest.approx(9 / 12)
    assert metrics["pixels"] == 12


def test_a_class_in_neither_mask_has_no_iou_and_is_excluded_from_the_mean() -> None:
    metrics = segmentation_metrics(np.diag([4, 4, 0]), CLASSES)
    assert metrics["iou"]["fox"] is None
    assert metrics["mean_iou"] == 1.0


def test_a_class_that_is_only_predicted_has_an_iou_of_zero() -> None:
    metrics = segmentation_metrics(np.array([[4, 0, 4], [0, 0, 0], [0, 0, 0]]), CLASSES)
    assert metrics["iou"] == {"cat": 0.5, "dog": None, "fox": 0.0}
    assert metrics["mean_iou"] == 0.25


def test_the_metrics_of_no_pixels_can_be_written_as_json() -> None:
    metrics = segmentation_metrics(np.zeros((3, 3), np.int64), CLASSES)
    assert metrics["mean_iou"] is None
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
