"""How many images a network is best given at a time in inference."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from tlkit.models.graph import flat, operations

_MAP_BYTES = 24e6
"""Of a feature map. Above 32 MB the C library asks the system for new memory each time (mallopt(3), M_MMAP_THRESHOLD),
and to get it costs up to as much as to compute what is written there; small maps also stay in the processor's cache."""


def images_at_once(model: Any) -> int:
    """So many images that the largest feature map of a flat functional model takes a few MB; a power of two.

    On a GPU, which keeps its memory and wants much to do, there is no bound.
    """
    if tf.config.list_physical_devices("GPU"):
        return 1 << 30
    maps = (tensor for operation in operations(model) for tensor in flat(operation.output))
    most = max(4 * math.prod(size or 1 for size in tensor.shape[1:]) for tensor in maps)
    return 1 << max(0, int(_MAP_BYTES // most).bit_length() - 1)
