"""The learning tasks: what the logits of a model mean, what they are trained towards and how they are scored.

Scoring takes NumPy alone; TensorFlow and Keras are imported only by what training needs.

A new task or label kind is one class here, one entry in ``tlkit.evaluation.by_task`` and one in
``tlkit.report.by_task``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tlkit.contracts import IGNORE, LabelKind, Task
from tlkit.models.scores import sigmoid, sigmoid_cross_entropy, softmax, softmax_cross_entropy
from tlkit.runs.card import Card


@dataclass(frozen=True)
class LearningTask(ABC):
    """Everything that depends on the task and the label kind of a model.

    Args:
        classes: the number of classes.

    Attributes:
        task: the task's name in recipes.
        label_kind: the label kind's name in ``model.json``.
        target_key: the entry of a batch that holds the target.
        output_rank: the number of dimensions of a batch of logits.
        default_loss: the Keras loss to use when the recipe names none.
        independent_logits: why the logits are not scores of mutually exclusive classes; empty if they are.
        unweightable: what can't have class weights; empty if class weights apply.
        can_ignore: True if parts of a target can be ignored, so that metrics need weights.
    """

    classes: int

    task: ClassVar[Task]
    label_kind: ClassVar[LabelKind] = "single"
    target_key: ClassVar[str]
    output_rank: ClassVar[int]
    default_loss: ClassVar[str] = "categorical_crossentropy"
    independent_logits: ClassVar[str] = ""
    unweightable: ClassVar[str] = ""
    can_ignore: ClassVar[bool] = False

    @property
    def units(self) -> int:
        """The number of logits per image or pixel."""
        return self.classes

    @abstractmethod
    def dense(self, batch: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the target of a batch as probabilities, and the weight of each element.

        Returns:
            float32 target, shaped like the logits;
            float32 weights, one per image or pixel: 0 at ignored pixels, between 0 and 1 where an ignored pixel was
            mixed with others, else 1.
        """

    def activate(self, logits: Any) -> Any:
        """Return the softmax or sigmoid of a tensor of logits as float32, shaped like the logits."""
        import tensorflow as tf

        return tf.nn.softmax(tf.cast(logits, tf.float32))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probability of every class, float32 (…, classes), of logits (…, units)."""
        return softmax(np.asarray(logits))

    def probability_layers(self, logits: Any, name: str) -> Any:
        """Return what ``probabilities`` does as layers that any Keras can load.

        Args:
            logits: symbolic (N, …, units).
            name: the name of the last layer.
        """
        import keras

        return keras.layers.Softmax(dtype="float32", name=name)(logits)

    @abstractmethod
    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the predicted label or labels from probabilities (…, classes)."""

    def element_weights(self, dense: Any, class_weights: Any) -> Any:
        """Return the class weight of each element of a dense target, float32, one per image or pixel."""
        import tensorflow as tf

        return tf.linalg.matvec(dense, class_weights)

    def metrics(self) -> dict[str, Any]:
        """Return new Keras metrics for training, by name; they compare ``dense`` targets with ``activate``d logits."""
        import keras

        return {"accuracy": keras.metrics.CategoricalAccuracy("accuracy")}


class Classification(LearningTask):
    """A task in which an image has a label."""

    task = "classification"
    target_key = "labels"
    output_rank = 2

    def dense(self, batch: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return float32 (N, classes) and ones (N,); labels are int (N,) or, mixed or several, float (N, classes)."""
        import tensorflow as tf

        target = batch[self.target_key]
        if target.shape.rank == 1:
            target = tf.one_hot(target, self.classes)
        return tf.cast(target, tf.float32), tf.ones(tf.shape(target)[:1], tf.float32)

    @abstractmethod
    def cross_entropy(self, labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return the cross-entropy of each image, float64 (N,).

        Args:
            labels: int (N,) class numbers, or multi-hot (N, classes).
            logits: (N, units).
        """

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the most probable class number, int (…,)."""
        return np.asarray(probabilities.argmax(-1))

    def numbers(self, label: Any) -> tuple[int, ...]:
        """Return the class numbers that one image's label stands for."""
        return (int(label),)


class SingleLabel(Classification):
    """One label per image: a softmax over the classes."""

    def cross_entropy(self, labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return the cross-entropy of each image with the softmax of its logits."""
        return softmax_cross_entropy(labels, logits)

    def metrics(self) -> dict[str, Any]:
        """Return the accuracy, and the top-5 accuracy of more than five classes."""
        import keras

        metrics = super().metrics()
        if self.classes > 5:
            metrics["top5_accuracy"] = keras.metrics.TopKCategoricalAccuracy(5, "top5_accuracy")
        return metrics


class _Sigmoid(Classification):
    """Labels that are scored by a sigmoid per logit."""

    default_loss = "binary_crossentropy"

    def activate(self, logits: Any) -> Any:
        """Return the sigmoid of a tensor of logits as float32."""
        import tensorflow as tf

        return tf.nn.sigmoid(tf.cast(logits, tf.float32))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the sigmoid of each logit."""
        return sigmoid(np.asarray(logits))

    def probability_layers(self, logits: Any, name: str) -> Any:
        """Return a sigmoid as a layer."""
        import keras

        return keras.layers.Activation("sigmoid", dtype="float32", name=name)(logits)

    def cross_entropy(self, labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return the mean of the cross-entropies of an image's logits."""
        return np.asarray(sigmoid_cross_entropy(labels.reshape(logits.shape), logits).mean(-1))

    def metrics(self) -> dict[str, Any]:
        """Return the accuracy of each sigmoid at the threshold 0.5."""
        import keras

        return {"accuracy": keras.metrics.BinaryAccuracy("accuracy")}


class BinaryLabel(_Sigmoid):
    """One label per image out of two classes: a single logit, the sigmoid of which is class 1's probability."""

    label_kind = "binary"
    independent_logits = "two classes have one logit"

    @property
    def units(self) -> int:
        """One logit."""
        return 1

    def dense(self, batch: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return float32 (N, 1), the share of class 1, and ones (N,)."""
        import tensorflow as tf

        target = batch[self.target_key]
        if target.shape.rank == 2:
            target = target[:, 1]
        return tf.cast(target, tf.float32)[:, None], tf.ones(tf.shape(target)[:1], tf.float32)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return float32 (N, 2): the single logit becomes two columns."""
        positive = super().probabilities(logits)
        return np.concatenate([1 - positive, positive], -1)

    def probability_layers(self, logits: Any, name: str) -> Any:
        """Return the two columns as layers."""
        import keras

        second = keras.layers.Activation("sigmoid", dtype="float32", name=f"{name}_second")(logits)
        first = keras.layers.Rescaling(-1.0, 1.0, dtype="float32", name=f"{name}_first")(second)
        return keras.layers.Concatenate(dtype="float32", name=name)([first, second])

    def element_weights(self, dense: Any, class_weights: Any) -> Any:
        """Return float32 (N,): the weights of both classes, blended by the share of class 1."""
        return (class_weights[0] * (1 - dense) + class_weights[1] * dense)[:, 0]


class MultiLabel(_Sigmoid):
    """Any number of labels per image: a sigmoid for each class."""

    label_kind = "multi"
    independent_logits = "an image has several labels"
    unweightable = "multi-label data"

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        """Return bool (…, classes): every class with a probability above 0.5."""
        return np.asarray(probabilities > 0.5)

    def numbers(self, label: Any) -> tuple[int, ...]:
        """Return the class numbers of a multi-hot row."""
        return tuple(np.flatnonzero(label).tolist())


class Segmentation(LearningTask):
    """One label per pixel: a softmax at every pixel."""

    task = "segmentation"
    target_key = "segmentation_masks"
    output_rank = 4
    can_ignore = True

    def dense(self, batch: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return float32 (N, H, W, classes) and (N, H, W); masks are int (N, H, W, 1) or shares (N, H, W, classes)."""
        import tensorflow as tf

        target = batch[self.target_key]
        if target.dtype.is_floating:
            # The gradient of TensorFlow's cross-entropy assumes that the classes add up to 1.
            valid = tf.reduce_sum(target, -1)
            return tf.math.divide_no_nan(target, valid[..., None]), valid
        target = target[..., 0]
        return tf.one_hot(target, self.classes), tf.cast(target != IGNORE, tf.float32)

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the most probable class number of each pixel, uint8 (…, H, W)."""
        return np.asarray(probabilities.argmax(-1), np.uint8)

    def metrics(self) -> dict[str, Any]:
        """Return the pixel accuracy and the mean IoU."""
        from tlkit.models.iou import MeanIoU

        return {**super().metrics(), "mean_iou": MeanIoU(self.classes)}


LEARNING_TASKS: dict[tuple[Task, LabelKind], type[LearningTask]] = {
    (each.task, each.label_kind): each for each in (SingleLabel, BinaryLabel, MultiLabel, Segmentation)
}
"""(task, label kind) → learning task."""


def learning_task(task: Task, label_kind: LabelKind, classes: int) -> LearningTask:
    """Return the learning task of that name and label kind.

    Args:
        task: the task's name in recipes.
        label_kind: the label kind of the data; ``single`` for segmentation.
        classes: the number of classes.
    """
    return LEARNING_TASKS[task, label_kind](classes)


def task_of_card(card: Card) -> LearningTask:
    """Return the learning task that a trained model solves."""
    return learning_task(card.task, card.label_kind, len(card.classes))
