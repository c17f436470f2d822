"""Losses and class weights: from a task, its labels and a recipe to one number a batch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlkit.contracts import IGNORE, LabelKind, Task
from tlkit.errors import Problem, RecipeError
from tlkit.recipe.schema import Loss
from tlkit.system.text import nearest


@dataclass(frozen=True)
class Targets:
    """What the logits are compared with.

    Args:
        task: of the recipe.
        label_kind: of a classification; ``single`` for segmentation.
        classes: how many.
    """

    task: Task
    label_kind: LabelKind
    classes: int

    @property
    def key(self) -> str:
        """The batch's entry that holds the target."""
        return "segmentation_masks" if self.task == "segmentation" else "labels"

    def dense(self, batch: Mapping[str, Any]) -> tuple[Any, Any]:
        """The target as probabilities, and how much each element counts.

        Returns:
            float32 (N, classes) or (N, H, W, classes) for single labels, (N, 1) binary, (N, classes) multi;
            float32 (N,) or (N, H, W), 0 at ignored pixels and between 0 and 1 where they were mixed with others.
        """
        target = batch[self.key]
        if self.task == "segmentation":
            if target.dtype.is_floating:
                # The gradient of TensorFlow's cross-entropy takes it for granted that the classes add up to 1.
                valid = tf.reduce_sum(target, -1)
                return tf.math.divide_no_nan(target, valid[..., None]), valid
            target = target[..., 0]
            valid = tf.cast(target != IGNORE, tf.float32)
            return tf.one_hot(target, self.classes), valid
        valid = tf.ones(tf.shape(target)[:1], tf.float32)
        if self.label_kind == "binary":
            if target.shape.rank == 2:
                target = target[:, 1]
            return tf.cast(target, tf.float32)[:, None], valid
        if target.shape.rank == 1:
            target = tf.one_hot(target, self.classes)
        return tf.cast(target, tf.float32), valid

    def probabilities(self, logits: Any) -> Any:
        """Softmax or sigmoid of the logits, in float32, shaped as they are."""
        logits = tf.cast(logits, tf.float32)
        return tf.nn.softmax(logits) if self.label_kind == "single" else tf.nn.sigmoid(logits)


_OF_ONE_CLASS = ("Categorical", "SparseCategorical", "KLDivergence", "CosineSimilarity")
"""Losses of shares that add up to 1, by the beginning of their names; of a single logit they are a constant."""
_OF_OTHERS = ("CTC", "Circle")
"""Losses of sequences and of embeddings."""


class BatchLoss:
    """The loss of a batch: a mean over its images, or over the pixels that count.

    Class weights multiply an element's loss; the mean is over the number of elements, as in Keras.

    Args:
        targets: what the logits are compared with.
        loss: the recipe's override, or None for the cross-entropy that fits.
        class_weights: float (classes,) or None.

    Attributes:
        takes_shares: whether the loss takes mixed targets for what they are.

    Raises:
        RecipeError: no such loss in Keras, it does not take its arguments, or it does not go with the targets or the
            weights.
    """

    def __init__(self, targets: Targets, loss: Loss | None = None, class_weights: np.ndarray | None = None) -> None:
        self.targets = targets
        default = "categorical_crossentropy" if targets.label_kind == "single" else "binary_crossentropy"
        self._loss, self._from_logits, self._sparse = _keras_loss(loss or Loss(name=default))
        self._check_fit(default)
        self.takes_shares = not self._sparse
        self._by_region = type(self._loss).__name__ in ("Dice", "Tversky")
        self._weights = None if class_weights is None else tf.constant(class_weights, tf.float32)
        if self._weights is not None and (self._by_region or targets.label_kind == "multi"):
            what = "multi-label data" if targets.label_kind == "multi" else f"the loss {self._loss.name}"
            raise RecipeError([Problem("train.class_weights", f'{what} can\'t be weighted; expected "none"')])

    def _check_fit(self, fitting: str) -> None:
        name = type(self._loss).__name__
        problem = ""
        if name in _OF_OTHERS:
            problem = "it is no loss of classes"
        elif name.startswith(_OF_ONE_CLASS) and self.targets.label_kind != "single":
            what = (
                "two classes have one logit" if self.targets.label_kind == "binary" else "an image has several labels"
            )
            problem = f"it compares shares of classes that add up to 1, but {what}"
        if problem:
            raise RecipeError(
                [Problem("train.loss", f'{self._loss.name} does not fit: {problem}; expected "{fitting}"')]
            )

    def __call__(self, batch: Mapping[str, Any], logits: Any) -> tuple[Any, Any]:
        """The loss and how many elements it is a mean of, both float32 scalars."""
        dense, valid = self.targets.dense(batch)
        logits = tf.cast(logits, tf.float32)
        predicted = logits if self._from_logits else self.targets.probabilities(logits)
        count = tf.reduce_sum(valid)
        if self._by_region:
            mask = valid[..., None] if self.targets.task == "segmentation" else tf.ones_like(dense)
            return tf.reduce_mean(self._loss(dense * mask, predicted * mask)), count
        truth = tf.argmax(dense, -1) if self._sparse else dense
        losses = self._loss(truth, predicted)
        weights = valid if self._weights is None else valid * self._class_weight(dense)
        return tf.math.divide_no_nan(tf.reduce_sum(losses * weights), count), count

    def _class_weight(self, dense: Any) -> Any:
        assert self._weights is not None
        if self.targets.label_kind == "binary":
            return (self._weights[0] * (1 - dense) + self._weights[1] * dense)[:, 0]
        return tf.linalg.matvec(dense, self._weights)


def _keras_loss(loss: Loss) -> tuple[Any, bool, bool]:
    classes = {
        name.lower(): member
        for name, member in vars(keras.losses).items()
        if inspect.isclass(member) and issubclass(member, keras.losses.Loss) and member is not keras.losses.Loss
    }
    member = classes.get(loss.name.replace("_", "").lower())
    if member is None:
        near = nearest(loss.name, (_snake(each.__name__) for each in classes.values()))
        hint = f'; did you mean "{near}"?' if near else ""
        raise RecipeError([Problem("train.loss", f'Keras has no loss "{loss.name}"{hint}')])
    parameters = inspect.signature(member.__init__).parameters
    unknown = sorted(set(loss.arguments) - set(parameters))
    if unknown:
        known = ", ".join(sorted(set(parameters) - {"self", "reduction", "name", "dtype", "from_logits"}))
        message = f"{member.__name__} takes no argument {', '.join(unknown)}; it takes {known}"
        raise RecipeError([Problem(f"train.loss.{unknown[0]}", message)])
    from_logits = "from_logits" in parameters
    arguments = {**loss.arguments, "reduction": "none", **({"from_logits": True} if from_logits else {})}
    try:
        return member(**arguments), from_logits, member.__name__.startswith("Sparse")
    except (TypeError, ValueError) as error:
        raise RecipeError([Problem("train.loss", f"{member.__name__}: {error}")]) from error


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def class_weights(setting: str | Mapping[str, float], classes: Sequence[str], counts: np.ndarray) -> np.ndarray | None:
    """The weight of each class.

    Args:
        setting: the recipe's ``train.class_weights``.
        classes: class names.
        counts: how many training images or pixels each class has.

    Returns:
        float32 (classes,), or None for no weighting. ``balanced`` is n / (classes · count), as scikit-learn's
        ``compute_class_weight``; a class without training samples gets 1.

    Raises:
        RecipeError: a name that is no class.
    """
    if setting == "none":
        return None
    if setting == "balanced":
        present = counts > 0
        weights = np.ones(len(classes), np.float32)
        weights[present] = counts.sum() / (present.sum() * counts[present])
        return weights
    assert not isinstance(setting, str)
    problems = []
    for name in setting:
        if name not in classes:
            near = nearest(name, classes)
            hint = f'; did you mean "{near}"?' if near else f"; the classes are {', '.join(classes)}"
            problems.append(Problem(f"train.class_weights.{name}", f'no class "{name}"{hint}'))
    if problems:
        raise RecipeError(problems)
    return np.array([setting.get(name, 1.0) for name in classes], np.float32)
