"""Losses and class weights: one number per batch, from the task, its labels and the recipe."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from tlkit.errors import Problem, RecipeError
from tlkit.models.keras_names import keras_class
from tlkit.models.tasks import LearningTask
from tlkit.recipe.schema import Loss
from tlkit.system.text import did_you_mean

_EXCLUSIVE_CLASSES = ("Categorical", "SparseCategorical", "KLDivergence", "CosineSimilarity")
"""Losses of class shares that add up to 1, by the start of their names; with a single logit they are constant."""
_OTHER_TARGETS = ("CTC", "Circle")
"""Losses of sequences and of embeddings."""

_CLASS_NUMBERS = ("Sparse", "CategoricalGeneralizedCrossEntropy")
"""Losses that take class numbers instead of shares, by the start of their names."""


class SharedBatch(Protocol):
    """A batch whose rows are on several workers; see ``tlkit.train.shared_batch``."""

    @property
    def copies(self) -> Any:
        """How many workers have each row."""

    def total(self, value: Any) -> Any:
        """Return the sum of a value over all workers."""

    def whole(self, rows: Any) -> Any:
        """Return the rows of the whole batch, of those here."""

    def part(self, value: Any) -> Any:
        """Return this worker's part of a value of the whole batch."""


class BatchLoss:
    """The loss of a batch: the mean over its images, or over its pixels that are not ignored.

    Class weights multiply the loss of each element; the mean divides by the number of elements, as in Keras.

    Args:
        task: what the logits mean.
        loss: the recipe's loss; None for the task's cross-entropy.
        class_weights: float (classes,); None for no weighting.

    Attributes:
        takes_shares: whether the loss uses mixed targets as they are, instead of the class with the largest share.

    Raises:
        RecipeError: Keras has no such loss, the loss does not take its arguments, or it does not fit the task or the
            class weights.
    """

    def __init__(self, task: LearningTask, loss: Loss | None = None, class_weights: np.ndarray | None = None) -> None:
        self.task = task
        self._loss, self._from_logits, self._sparse = _keras_loss(loss or Loss(name=task.default_loss))
        self._check_fit()
        self.takes_shares = not self._sparse
        self._by_region = type(self._loss).__name__ in ("Dice", "Tversky")
        self._weights = None if class_weights is None else tf.constant(class_weights, tf.float32)
        what = task.unweightable or (f"the loss {self._loss.name}" if self._by_region else "")
        if self._weights is not None and what:
            raise RecipeError([Problem("train.class_weights", f'{what} can\'t be weighted; expected "none"')])

    def _check_fit(self) -> None:
        name = type(self._loss).__name__
        problem = ""
        if name in _OTHER_TARGETS:
            problem = "it is not a loss of classes"
        elif name.startswith(_EXCLUSIVE_CLASSES) and self.task.independent_logits:
            problem = f"it compares shares of classes that add up to 1, but {self.task.independent_logits}"
        if problem:
            expected = self.task.default_loss
            raise RecipeError(
                [Problem("train.loss", f'{self._loss.name} does not fit: {problem}; expected "{expected}"')]
            )

    def __call__(self, batch: Mapping[str, Any], logits: Any, shared: SharedBatch | None = None) -> tuple[Any, Any]:
        """Return the loss and the number of elements that it is the mean of, both float32 scalars.

        Args:
            batch: the targets of the rows.
            logits: the logits of the rows.
            shared: the whole batch, where other workers have the rest of it; then the losses of all workers add up to
                that of the whole batch, and the number is that of the whole batch.
        """
        dense, valid = self.task.dense(batch)
        logits = tf.cast(logits, tf.float32)
        predicted = logits if self._from_logits else self.task.activate(logits)
        count = tf.reduce_sum(valid)
        if self._by_region:
            mask = valid[..., None]
            dense, predicted = dense * mask, predicted * mask
            if shared is None:
                return tf.reduce_mean(self._loss(dense, predicted)), count
            # A region may go through the whole batch: its loss is no sum over rows.
            loss = tf.reduce_mean(self._loss(shared.whole(dense), shared.whole(predicted)))
            return shared.part(loss), shared.total(count) / shared.copies
        truth = tf.argmax(dense, -1) if self._sparse else dense
        losses = self._loss(truth, predicted)
        weights = valid if self._weights is None else valid * self.task.element_weights(dense, self._weights)
        if shared is None:
            return tf.math.divide_no_nan(tf.reduce_sum(losses * weights), count), count
        total = shared.total(count)
        return tf.math.divide_no_nan(tf.reduce_sum(losses * weights), total), total / shared.copies


def _keras_loss(loss: Loss) -> tuple[Any, bool, bool]:
    """Return the Keras loss, whether it takes logits, and whether it takes class numbers."""
    member = keras_class(loss.name, keras.losses, _is_loss, what="loss", key="train.loss")
    parameters = inspect.signature(member.__init__).parameters
    unknown = sorted(set(loss.arguments) - set(parameters))
    if unknown:
        known = ", ".join(sorted(set(parameters) - {"self", "reduction", "name", "dtype", "from_logits"}))
        message = f"{member.__name__} takes no argument {', '.join(unknown)}; it takes {known}"
        raise RecipeError([Problem(f"train.loss.{unknown[0]}", message)])
    from_logits = "from_logits" in parameters
    arguments = {**loss.arguments, "reduction": "none", **({"from_logits": True} if from_logits else {})}
    try:
        return member(**arguments), from_logits, member.__name__.startswith(_CLASS_NUMBERS)
    except (TypeError, ValueError) as error:
        raise RecipeError([Problem("train.loss", f"{member.__name__}: {error}")]) from error


def _is_loss(member: type) -> bool:
    return issubclass(member, keras.losses.Loss) and member is not keras.losses.Loss


def class_weights(setting: str | Mapping[str, float], classes: Sequence[str], counts: np.ndarray) -> np.ndarray | None:
    """Return the weight of each class.

    Args:
        setting: the recipe's ``train.class_weights``.
        classes: class names.
        counts: the number of training images or pixels of each class.

    Returns:
        float32 (classes,), or None for no weighting. ``balanced`` is n / (classes · count), as in
        scikit-learn's ``compute_class_weight``; a class without training samples gets 1.

    Raises:
        RecipeError: the setting names a class that does not exist, or gives all of them weight 0.
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
            hint = did_you_mean(name, classes, f"; the classes are {', '.join(classes)}")
            problems.append(Problem(f"train.class_weights.{name}", f'no class "{name}"{hint}'))
    if problems:
        raise RecipeError(problems)
    weights = np.array([setting.get(name, 1.0) for name in classes], np.float32)
    if not weights.any():
        raise RecipeError([Problem("train.class_weights", "every class has weight 0, so nothing would be learned")])
    return weights
