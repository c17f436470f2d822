"""What formats share that TensorFlow runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import tensorflow as tf

_BATCH = 8
"""Images computed at once."""


def limit_threads(threads: int) -> None:
    """Let operations use so many threads, unless TensorFlow has started its threads in this process."""
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def in_batches(
    step: Callable[[Any], Mapping[str, Any]], dtype: Any
) -> Callable[[np.ndarray], Mapping[str, np.ndarray]]:
    """Return a function of any number of images that gives them to ``step`` in batches.

    Args:
        step: a function of images (N, H, W, 3).
        dtype: the type of its images.
    """

    def run(images: np.ndarray) -> Mapping[str, np.ndarray]:
        starts = range(0, len(images), _BATCH)
        parts = [step(tf.cast(images[start : start + _BATCH], dtype)) for start in starts]
        return {name: np.concatenate([np.asarray(each[name]) for each in parts]) for name in parts[0]}

    return run
