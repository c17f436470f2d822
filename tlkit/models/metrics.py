"""Metrics during training: Keras metrics, each updated with the kind of values that it expects."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlkit.errors import Problem, RecipeError
from tlkit.models.iou import MeanIoU
from tlkit.models.keras_names import keras_class
from tlkit.models.tasks import LearningTask


class MetricSet:
    """The loss and the metrics over a number of batches.

    Args:
        task: what the logits mean.
        extra: names of further Keras metrics.

    Raises:
        RecipeError: Keras has no metric of that name.
    """

    def __init__(self, task: LearningTask, extra: Sequence[str] = ()) -> None:
        self.task = task
        self.loss = keras.metrics.Mean("loss")
        self.metrics = task.metrics()
        self._sparse: set[str] = set()
        for index, name in enumerate(extra):
            metric = _keras_metric(name, index)
            key = _snake(type(metric).__name__)
            self.metrics.setdefault(key, metric)
            if type(metric).__name__.startswith("Sparse"):
                self._sparse.add(key)

    @property
    def names(self) -> list[str]:
        """The names of the values, ``loss`` first."""
        return ["loss", *self.metrics]

    def update(self, batch: Mapping[str, Any], logits: Any, loss: Any, count: Any) -> None:
        """Add a batch; may be called inside a ``tf.function``."""
        dense, valid = self.task.dense(batch)
        probabilities = self.task.activate(logits)
        self.loss.update_state(loss, count)
        for name, metric in self.metrics.items():
            if isinstance(metric, MeanIoU):
                metric.update_state(dense, probabilities, valid)
                continue
            flat_truth = tf.reshape(dense, [-1, dense.shape[-1]])
            flat_prediction = tf.reshape(probabilities, [-1, dense.shape[-1]])
            truth = tf.argmax(flat_truth, -1) if name in self._sparse else flat_truth
            weight = tf.reshape(valid, [-1]) if self.task.can_ignore else None
            metric.update_state(truth, flat_prediction, sample_weight=weight)

    def result(self) -> dict[str, float]:
        """Return the values since the last reset."""
        values = {"loss": self.loss.result()} | {name: m.result() for name, m in self.metrics.items()}
        return {name: float(np.mean(keras.ops.convert_to_numpy(value))) for name, value in values.items()}

    @property
    def variables(self) -> list[Any]:
        """The variables that hold the metrics' counts and sums."""
        return [variable for metric in (self.loss, *self.metrics.values()) for variable in metric.variables]

    def reset(self) -> None:
        """Set all counts and sums to 0."""
        for metric in (self.loss, *self.metrics.values()):
            metric.reset_state()


def _keras_metric(name: str, index: int) -> Any:
    member = keras_class(name, keras.metrics, _compares, what="metric", key=f"train.metrics.{index}")
    try:
        return member()
    except TypeError as error:
        raise RecipeError(
            [Problem(f"train.metrics.{index}", f'"{name}" needs arguments, which a recipe can\'t give: {error}')]
        ) from error


def _compares(member: Any) -> bool:
    """Return whether a metric compares truth and prediction, unlike a mean of given values."""
    return issubclass(member, keras.metrics.Metric) and "y_true" in inspect.signature(member.update_state).parameters


def _snake(name: str) -> str:
    if name.isupper():
        return name.lower()
    return "".join(
        f"_{c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c.lower() for i, c in enumerate(name)
    )
