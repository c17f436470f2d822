"""Networks computed by TensorFlow, with BatchNormalization folded."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit.models.fold import FoldedModel
from tlkit.models.inference import images_at_once


class TensorFlowNetwork:
    """A network in inference mode, folded and compiled when it is first called.

    Args:
        model: a flat functional model; later changes of its weights don't count once it was called.

    Attributes:
        at_once: the number of images that are computed together; the last bits depend on it.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.at_once = images_at_once(model)
        self._lock = Lock()
        self._folded: FoldedModel | None = None
        # Traced once: an epoch's last batch is smaller.
        images = tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.float32)
        self._compiled = tf.function(self.forward, input_signature=[images], autograph=False)

    def forward(self, images: Any) -> list[Any]:
        """Return the outputs; may be called inside a ``tf.function``."""
        with self._lock:
            if self._folded is None:
                with tf.init_scope():
                    self._folded = FoldedModel(self._model)
        return self._folded([images])

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Return each output, float32 (N, …), for images float32 (N, H, W, 3)."""
        size = self.at_once
        parts = [self._compiled(images[first : first + size]) for first in range(0, len(images), size)]
        return [np.concatenate([tf.cast(each, tf.float32) for each in outputs]) for outputs in zip(*parts, strict=True)]
