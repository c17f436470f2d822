"""How many images to give a network at a time in inference."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from tlkit.models.graph import flat, operations

_MAP_BYTES = 24e6
"""The limit for a feature map. Above 32 MB the C library gets new memory from the system each time (mallopt(3),
M_MMAP_THRESHOLD), which can take as long as computing the map itself; small maps also stay in the processor's cache."""
_FIXED_BATCH = 32
_FIXED_BATCH_MAP_BYTES = 512e6
"""Training keeps many such maps for the backward pass; inference has a few at a time."""


def images_at_once(model: Any) -> int:
    """Return how many images to pass at once for the largest feature map to take a few MB; a power of two.

    There is no limit on a GPU, where TensorFlow keeps its memory and large batches are faster.

    Args:
        model: a flat functional model.
    """
    return 1 << 30 if tf.config.list_physical_devices("GPU") else _fitting(model, _MAP_BYTES)


def fixed_batch(model: Any) -> int:
    """Return a batch size that depends on the network alone, for results that later runs reuse: a power of two.

    Args:
        model: a flat functional model.
    """
    return min(_FIXED_BATCH, _fitting(model, _FIXED_BATCH_MAP_BYTES))


def _fitting(model: Any, size: float) -> int:
    maps = (tensor for operation in operations(model) for tensor in flat(operation.output))
    largest = max(4 * math.prod(size or 1 for size in tensor.shape[1:]) for tensor in maps)
    return 1 << max(0, int(size // largest).bit_length() - 1)
