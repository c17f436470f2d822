"""Intersection over union as a Keras metric, followed during training."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class MeanIoU(keras.metrics.Metric):  # type: ignore[misc]
    """Mean intersection over union of the classes that occur, without ignored pixels.

    Keras's own metric counts an absent class as 1 and silently accepts labels out of range (keras#22835).
    """

    def __init__(self, classes: int, name: str = "mean_iou") -> None:
        super().__init__(name=name, dtype="float32")
        self.classes = classes
        self.confusion = self.add_variable((classes, classes), "zeros", dtype="int64", name="confusion")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch: truth and probabilities (…, classes); elements with a weight below one half are ignored."""
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
        """Return the mean as a float32 scalar; 0 before the first batch."""
        confusion = tf.cast(self.confusion, tf.float32)
        hits = tf.linalg.diag_part(confusion)
        union = tf.reduce_sum(confusion, 0) + tf.reduce_sum(confusion, 1) - hits
        occurs = tf.cast(union > 0, tf.float32)
        return tf.math.divide_no_nan(tf.reduce_sum(tf.math.divide_no_nan(hits, union)), tf.reduce_sum(occurs))
