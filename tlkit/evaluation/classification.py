"""Evaluation and prediction of classifications: one label per image, or several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlkit.errors import DataError
from tlkit.evaluation.class_names import SEVERAL_LABELS, class_map
from tlkit.evaluation.measurement import Measurement
from tlkit.evaluation.metrics import multi_label_metrics, single_label_metrics
from tlkit.evaluation.outcome import ClassificationOutcome
from tlkit.evaluation.prediction import Prediction
from tlkit.models.tasks import Classification, task_of_card
from tlkit.runs.card import Card

if TYPE_CHECKING:
    from tlkit.data.run_data import Data


def measure_single_label(measurement: Measurement) -> ClassificationOutcome:
    """Measure a model that predicts one label per image.

    Raises:
        DataError: the data has an unknown class, or several labels per image.
    """
    labels = true_labels(measurement.data, measurement.card, measurement.rows)
    probabilities, losses = _run(measurement, labels)
    classes = measurement.card.classes
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, probabilities.argmax(1)), 1)
    metrics = measurement.losses(float(losses.mean())) | single_label_metrics(probabilities, labels, classes)
    return ClassificationOutcome(measurement.rows, losses.astype(np.float32), metrics, probabilities, labels, confusion)


def measure_multi_label(measurement: Measurement) -> ClassificationOutcome:
    """Measure a model that predicts any number of labels per image.

    Raises:
        DataError: the data has an unknown class.
    """
    multi_hot = true_labels(measurement.data, measurement.card, measurement.rows)
    probabilities, losses = _run(measurement, multi_hot)
    metrics = measurement.losses(float(losses.mean()))
    metrics |= multi_label_metrics(probabilities, multi_hot, measurement.card.classes)
    return ClassificationOutcome(measurement.rows, losses.astype(np.float32), metrics, probabilities, multi_hot, None)


def true_labels(data: Data, card: Card, rows: np.ndarray) -> np.ndarray:
    """Return the labels of some images in the model's class numbers: int (N,), or float32 multi-hot (N, classes).

    Raises:
        DataError: the data has an unknown class, or several labels per image for a model of one.
    """
    mapping = class_map(tuple(data.classes), card)
    labels = np.asarray(data.labels)[rows]
    if card.label_kind != "multi":
        if labels.ndim == 2:
            raise DataError(SEVERAL_LABELS)
        return np.asarray(mapping[labels])
    multi_hot = np.zeros((len(labels), len(card.classes)), np.float32)
    if labels.ndim == 1:
        multi_hot[np.arange(len(labels)), mapping[labels]] = 1
    else:
        multi_hot[:, mapping] = labels
    return multi_hot


def _run(measurement: Measurement, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities and the cross-entropy of each sample: float32 (N, classes) and float64 (N,)."""
    task = measurement.task
    assert isinstance(task, Classification)
    probabilities = np.zeros((len(labels), task.classes), np.float32)
    losses = np.zeros(len(labels))
    for part, truth, logits in measurement.batches(lambda part: labels[part]):
        probabilities[part], losses[part] = task.probabilities(logits), task.cross_entropy(truth, logits)
    return probabilities, losses


def predicted_labels(path: Path | None, probabilities: np.ndarray, _size: tuple[int, int], card: Card) -> Prediction:
    """Return the prediction of one image from its probabilities, float32 (classes,)."""
    task = task_of_card(card)
    assert isinstance(task, Classification)
    labels = tuple(card.classes[number] for number in task.numbers(task.predict(probabilities)))
    shares = {name: float(value) for name, value in zip(card.classes, probabilities, strict=True)}
    return Prediction(path, "|".join(labels), labels, shares)
