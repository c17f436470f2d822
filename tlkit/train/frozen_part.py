"""The frozen part of a phase's model: what it computes, and what that costs."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit.models.cost import operations_per_image
from tlkit.models.fold import fold_batch_norm
from tlkit.models.freeze import digests
from tlkit.models.inference import fixed_batch, images_at_once


class FrozenPart:
    """The frozen part of a phase's model, compiled, with its BatchNormalization folded.

    Args:
        model: images → the tensors at the cut, with the weights that the phase begins with.

    Attributes:
        shapes: the shape of each tensor at the cut, without the batch dimension.
        batch_size: the size of batches to compute features in that later runs reuse, whatever their own batch size.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.folded = fold_batch_norm(model)
        self.shapes = [tuple(int(size) for size in tensor.shape[1:]) for tensor in model.outputs]
        self._at_once = images_at_once(model)
        self.batch_size = fixed_batch(model)
        # Traced once: an epoch's last batch is smaller.
        images = tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.float32)
        self._compiled = tf.function(self.forward, input_signature=[images], autograph=False)

    def forward(self, images: Any) -> list[Any]:
        """Return the tensors at the cut; may be called inside a ``tf.function``."""
        return list(tf.nest.flatten(self.folded(images, training=False)))

    @property
    def bytes_per_image(self) -> int:
        """The size of an image's features on disk, in float32."""
        return 4 * sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def operations_per_image(self) -> int:
        """The multiplications and additions of convolutions and dense layers: two per weight and output position."""
        return operations_per_image(self.model.layers)

    def __call__(self, images: Any) -> list[np.ndarray]:
        """Return each tensor at the cut, float32 (N, …), for images float32 (N, H, W, 3)."""
        size = self._at_once
        parts = [self._compiled(images[first : first + size]) for first in range(0, len(images), size)]
        return [np.concatenate([tf.cast(each, tf.float32) for each in outputs]) for outputs in zip(*parts, strict=True)]

    @cached_property
    def key(self) -> str:
        """The SHA-256 of the graph, the layers' settings, every weight, and how many images are computed at once."""
        text = f"{self._at_once} {self.model.to_json()}{json.dumps(digests(self.model), sort_keys=True)}"
        return hashlib.sha256(text.encode()).hexdigest()
