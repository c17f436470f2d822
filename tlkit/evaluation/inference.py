"""A model compiled for inference at one batch size."""

from __future__ import annotations

from typing import Any

import numpy as np

from tlkit.models.tasks import task_of_card
from tlkit.runs.card import Card


class Inference:
    """A function from images to probabilities, compiled once for one batch size.

    Args:
        model: a Keras model from float32 (N, H, W, 3) in 0-255 to logits.
        card: the model's card.
        batch_size: the number of images per call of the model; smaller batches are padded with black images.
    """

    def __init__(self, model: Any, card: Card, batch_size: int) -> None:
        import tensorflow as tf

        from tlkit.models.fold import FoldedModel

        folded = FoldedModel(model)
        self.batch_size = batch_size
        self._task = task_of_card(card)
        self._compiled = tf.function(
            lambda images: [tf.cast(each, tf.float32) for each in folded([images])],
            reduce_retracing=True,
            autograph=False,
        )

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of at most ``batch_size`` images.

        Args:
            images: (n, H, W, 3), uint8 or float in 0-255.

        Returns:
            float32 (n, units), or (n, H, W, units) for segmentation.
        """
        return self.outputs(images)[0]

    def outputs(self, images: np.ndarray) -> list[np.ndarray]:
        """Return all outputs of the model for at most ``batch_size`` images, of which the logits are the first."""
        outputs = self._compiled(pad_rows(images, self.batch_size))
        return [np.asarray(each)[: len(images)] for each in outputs]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities of at most ``batch_size`` images: float32 (n, classes) or (n, H, W, classes)."""
        return self._task.probabilities(self.logits(images))


def pad_rows(array: np.ndarray, size: int, value: int = 0) -> np.ndarray:
    """Append rows of ``value`` to an array until it has ``size`` rows."""
    missing = size - len(array)
    if missing <= 0:
        return array
    return np.concatenate([array, np.full((missing, *array.shape[1:]), value, array.dtype)])
