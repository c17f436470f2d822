"""The recipe's loss over samples that are not trained on, as ``val_loss`` in ``metrics.csv``. It needs TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from tlkit.models.tasks import LearningTask
from tlkit.recipe.schema import Loss
from tlkit.system.tensorflow import start_tensorflow


def is_cross_entropy(loss: Loss | None, task: LearningTask) -> bool:
    """Return whether a recipe's loss is the task's cross-entropy, without arguments."""
    return loss is None or (
        loss.name.replace("_", "").lower() == task.default_loss.replace("_", "") and not loss.arguments
    )


class RecipeLoss:
    """The mean of a recipe's loss over samples, without class weights.

    A region loss depends on which samples are in a batch. So the samples are taken in batches of the recipe's size,
    as in the validation during training, however many of them the model is run on at a time.

    Args:
        task: what the logits mean.
        loss: the recipe's loss.
        batch_size: the recipe's number of images per batch.

    Raises:
        RecipeError: as ``BatchLoss``.
    """

    def __init__(self, task: LearningTask, loss: Loss, batch_size: int) -> None:
        start_tensorflow()
        from tlkit.models.losses import BatchLoss

        self._loss = BatchLoss(task, loss)
        self._target_key = task.target_key
        self._batch_size = batch_size
        self._truth: list[np.ndarray] = []
        self._logits: list[np.ndarray] = []
        self._sum = 0.0
        self._count = 0.0

    def add(self, truth: np.ndarray, logits: np.ndarray) -> None:
        """Add samples: targets as in a batch of the pipeline, (n, …), and logits, float32 (n, …, units)."""
        self._truth.extend(truth)
        self._logits.extend(logits)
        while len(self._truth) >= self._batch_size:
            self._take(self._batch_size)

    def mean(self) -> float:
        """Return the mean over all samples that were added; 0 if all their pixels are ignored."""
        if self._truth:
            self._take(len(self._truth))
        return self._sum / self._count if self._count else 0.0

    def _take(self, size: int) -> None:
        import tensorflow as tf

        batch: dict[str, Any] = {self._target_key: tf.constant(np.stack(self._truth[:size]))}
        loss, count = self._loss(batch, tf.constant(np.stack(self._logits[:size])))
        del self._truth[:size], self._logits[:size]
        self._sum += float(loss) * float(count)
        self._count += float(count)
