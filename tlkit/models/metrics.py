"""Metrics that are followed while training: Keras metrics, fed with what each of them expects."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlkit.errors import Problem, RecipeError
from tlkit.models.losses import Targets
from tlkit.system.text import nearest


def iou_from_confusion(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of each class.

    Args:
        confusion: (classes, classes) counts; rows are the truth, columns the prediction.

    Returns:
        float64 (classes,); NaN for a class that occurs neither in the truth nor in the prediction.
    """
    hits = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    iou: np.ndarray = np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)
    return iou


class MeanIoU(keras.metrics.Metric):  # type: ignore[misc]
    """Mean intersection over union of the classes that occur, ignored pixels left out.

    Keras's own counts an absent class as 1 and takes labels out of range without a word (keras#22835).
    """

    def __init__(self, classes: int, name: str = "mean_iou") -> None:
        super().__init__(name=name, dtype="float32")
        self.classes = classes
        self.confusion = self.add_variable((classes, classes), "zeros", dtype="int64", name="confusion")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch: truth and probabilities (…, classes); a weight below one half leaves an element out."""
        weights = None if sample_weight is None else tf.reshape(tf.cast(tf.round(sample_weight), tf.int64), [-1])
        counts = tf.math.confusion_matrix(
            tf.reshape(tf.argmax(y_true, -1), [-1]),
            tf.reshape(tf.argmax(y_pred, -1), [-1]),
            self.classes,
            weights,
            tf.int64,
        )
        self.confusion.assign_add(counts)

    def result(self) -> Any:
        """The mean, float32 scalar; 0 before any batch."""
        confusion = tf.cast(self.confusion, tf.float32)
        hits = tf.linalg.diag_part(confusion)
        union = tf.reduce_sum(confusion, 0) + tf.reduce_sum(confusion, 1) - hits
        occurs = tf.cast(union > 0, tf.float32)
        return tf.math.divide_no_nan(tf.reduce_sum(tf.math.divide_no_nan(hits, union)), tf.reduce_sum(occurs))


class MetricSet:
    """The loss and the metrics of a stretch of batches.

    Args:
        targets: what the logits are compared with.
        extra: further Keras metrics by name.

    Raises:
        RecipeError: Keras has no metric of that name.
    """

    def __init__(self, targets: Targets, extra: Sequence[str] = ()) -> None:
        self.targets = targets
        self.loss = keras.metrics.Mean("loss")
        self.metrics: dict[str, Any] = {}
        self._sparse: set[str] = set()
        if targets.label_kind == "single":
            self.metrics["accuracy"] = keras.metrics.CategoricalAccuracy("accuracy")
        else:
            self.metrics["accuracy"] = keras.metrics.BinaryAccuracy("accuracy")
        if targets.task == "segmentation":
            self.metrics["mean_iou"] = MeanIoU(targets.classes)
        elif targets.label_kind == "single" and targets.classes > 5:
            self.metrics["top5_accuracy"] = keras.metrics.TopKCategoricalAccuracy(5, "top5_accuracy")
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
        dense, valid = self.targets.dense(batch)
        probabilities = self.targets.probabilities(logits)
        self.loss.update_state(loss, count)
        for name, metric in self.metrics.items():
            if isinstance(metric, MeanIoU):
                metric.update_state(dense, probabilities, valid)
                continue
            flat_truth = tf.reshape(dense, [-1, dense.shape[-1]])
            flat_prediction = tf.reshape(probabilities, [-1, dense.shape[-1]])
            truth = tf.argmax(flat_truth, -1) if name in self._sparse else flat_truth
            weight = tf.reshape(valid, [-1]) if self.targets.task == "segmentation" else None
            metric.update_state(truth, flat_prediction, sample_weight=weight)

    def result(self) -> dict[str, float]:
        """The values since the last reset."""
        values = {"loss": self.loss.result()} | {name: m.result() for name, m in self.metrics.items()}
        return {name: float(np.mean(keras.ops.convert_to_numpy(value))) for name, value in values.items()}

    @property
    def variables(self) -> list[Any]:
        """What the metrics have counted."""
        return [variable for metric in (self.loss, *self.metrics.values()) for variable in metric.variables]

    def reset(self) -> None:
        """Begin anew."""
        for metric in (self.loss, *self.metrics.values()):
            metric.reset_state()


def _keras_metric(name: str, index: int) -> Any:
    classes = {
        member_name.lower(): member
        for member_name, member in vars(keras.metrics).items()
        if inspect.isclass(member) and issubclass(member, keras.metrics.Metric) and _compares(member)
    }
    member = classes.get(name.replace("_", "").lower())
    if member is None:
        near = nearest(name, (_snake(each.__name__) for each in classes.values()))
        hint = f'; did you mean "{near}"?' if near else ""
        raise RecipeError([Problem(f"train.metrics.{index}", f'Keras has no metric "{name}"{hint}')])
    try:
        return member()
    except TypeError as error:
        raise RecipeError(
            [Problem(f"train.metrics.{index}", f'"{name}" needs arguments, which a recipe can\'t give: {error}')]
        ) from error


def _compares(metric: Any) -> bool:
    """Whether it is fed with truth and prediction, unlike a mean of given values."""
    return "y_true" in inspect.signature(metric.update_state).parameters


def _snake(name: str) -> str:
    if name.isupper():
        return name.lower()
    return "".join(
        f"_{c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c.lower() for i, c in enumerate(name)
    )
