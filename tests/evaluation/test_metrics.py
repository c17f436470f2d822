"""The final metrics of a split."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics

from tlkit.evaluation.metrics import multi_label_metrics, segmentation_metrics, single_label_metrics

CLASSES = ("cat", "dog", "fox")


def one_hot(numbers: list[int], classes: int = 3) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[numbers]


def test_accuracy_precision_and_recall_of_a_hand_computed_case() -> None:
    measured = single_label_metrics(one_hot([0, 0, 1, 1]), np.array([0, 1, 1, 1]), CLASSES)
    assert measured["accuracy"] == pytest.approx(3 / 4)
    assert measured["per_class"]["cat"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert measured["per_class"]["dog"] == {"precision": 1.0, "recall": pytest.approx(2 / 3), "f1": 0.8, "support": 3}
    assert measured["count"] == 4


def test_macro_f1_excludes_a_class_that_is_neither_true_nor_predicted() -> None:
    measured = single_label_metrics(one_hot([0, 0, 1, 1]), np.array([0, 1, 1, 1]), CLASSES)
    assert measured["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert measured["per_class"]["fox"]["support"] == 0


def test_a_class_that_is_only_predicted_counts_as_zero_in_macro_f1() -> None:
    measured = single_label_metrics(one_hot([0, 2]), np.array([0, 0]), CLASSES)
    assert measured["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_only_more_than_five_classes_have_a_top5_accuracy() -> None:
    shares = np.tile(np.arange(6, dtype=np.float32), (2, 1)) / 15
    measured = single_label_metrics(shares, np.array([0, 1]), "abcdef")
    assert measured["top5_accuracy"] == 0.5
    assert "top5_accuracy" not in single_label_metrics(shares[:, :5], np.array([0, 1]), "abcde")


def test_multi_label_accuracy_requires_all_labels_of_an_image_to_be_correct() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 0]], np.float32)
    shares = np.array([[0.9, 0.8, 0.1], [0.9, 0.7, 0.1]], np.float32)
    measured = multi_label_metrics(shares, truth, CLASSES)
    assert measured["accuracy"] == 0.5
    assert measured["micro_f1"] == pytest.approx(6 / 7)
    assert measured["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert measured["mean_average_precision"] == 1.0


def test_multi_label_without_any_positive_has_no_mean_average_precision() -> None:
    measured = multi_label_metrics(np.zeros((2, 3), np.float32), np.zeros((2, 3)), CLASSES)
    assert measured["mean_average_precision"] is None
    assert measured["accuracy"] == 1.0


def test_iou_and_dice_of_a_hand_computed_case() -> None:
    measured = segmentation_metrics(np.array([[6, 2], [1, 3]]), ("ground", "tree"))
    assert measured["iou"] == {"ground": pytest.approx(6 / 9), "tree": pytest.approx(3 / 6)}
    assert measured["dice"] == {"ground": pytest.approx(12 / 15), "tree": pytest.approx(6 / 9)}
    assert measured["mean_iou"] == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert measured["pixel_accuracy"] == pytest.approx(9 / 12)
    assert measured["pixels"] == 12


def test_a_class_in_neither_mask_has_no_iou_and_is_excluded_from_the_mean() -> None:
    measured = segmentation_metrics(np.diag([4, 4, 0]), CLASSES)
    assert measured["iou"]["fox"] is None
    assert measured["mean_iou"] == 1.0


def test_a_class_that_is_only_predicted_has_an_iou_of_zero() -> None:
    measured = segmentation_metrics(np.array([[4, 0, 4], [0, 0, 0], [0, 0, 0]]), CLASSES)
    assert measured["iou"] == {"cat": 0.5, "dog": None, "fox": 0.0}
    assert measured["mean_iou"] == 0.25


def test_the_metrics_of_no_pixels_can_be_written_as_json() -> None:
    measured = segmentation_metrics(np.zeros((3, 3), np.int64), CLASSES)
    assert measured["mean_iou"] is None
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured


@pytest.mark.parametrize(("count", "classes"), [(1, 2), (7, 3), (400, 2), (300, 40)])
def test_the_metrics_of_one_label_per_image_are_those_of_scikit_learn(count, classes) -> None:
    random = np.random.default_rng(count)
    labels = random.integers(0, classes, count)
    # Few distinct values, so that many are equal.
    scores = random.integers(1, 4, (count, classes)).astype(np.float32)
    shares = scores / scores.sum(1, keepdims=True)
    measured = single_label_metrics(shares, labels, [f"class {each}" for each in range(classes)])
    predicted, numbers = shares.argmax(1), list(range(classes))
    assert measured["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert measured["macro_f1"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro", zero_division=0))
    if classes > 5:
        wanted = metrics.top_k_accuracy_score(labels, shares, k=5, labels=numbers)
        assert measured["top5_accuracy"] == pytest.approx(wanted)
    wanted = metrics.precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0)
    np.testing.assert_allclose([list(row.values()) for row in measured["per_class"].values()], np.transpose(wanted))


@pytest.mark.parametrize(("count", "classes"), [(1, 2), (7, 3), (400, 2), (300, 40)])
def test_the_metrics_of_several_labels_per_image_are_those_of_scikit_learn(count, classes) -> None:
    random = np.random.default_rng(count)
    labels = (random.random((count, classes)) < 0.3).astype(np.float32)
    labels[0, 0] = 1
    shares = (random.integers(0, 10, (count, classes)) / 10).astype(np.float32)
    measured = multi_label_metrics(shares, labels, [f"class {each}" for each in range(classes)])
    predicted = shares > 0.5
    assert measured["accuracy"] == pytest.approx(metrics.accuracy_score(labels > 0, predicted))
    assert measured["micro_f1"] == pytest.approx(
        metrics.f1_score(labels > 0, predicted, average="micro", zero_division=0)
    )
    positive = np.flatnonzero(labels.any(0))
    wanted = [metrics.average_precision_score(labels[:, each], shares[:, each]) for each in positive]
    assert measured["mean_average_precision"] == pytest.approx(np.mean(wanted))
    wanted = metrics.precision_recall_fscore_support(labels > 0, predicted, zero_division=0)
    np.testing.assert_allclose([list(row.values()) for row in measured["per_class"].values()], np.transpose(wanted))
