"""Rectangles in a batch of images."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def inside(top: Any, left: Any, bottom: Any, right: Any, size: tuple[Any, Any]) -> Any:
    """Where the pixels of one rectangle an image are: bool (N, H, W, 1).

    Args:
        top: int32 (N,), the first row in it; ``left`` the first column.
        left: see ``top``.
        bottom: int32 (N,), the first row below it; ``right`` the first column beside it.
        right: see ``bottom``.
        size: (H, W).
    """
    rows, columns = (tf.range(length)[tf.newaxis] for length in size)
    in_rows = (rows >= top[:, tf.newaxis]) & (rows < bottom[:, tf.newaxis])
    in_columns = (columns >= left[:, tf.newaxis]) & (columns < right[:, tf.newaxis])
    return (in_rows[:, :, tf.newaxis] & in_columns[:, tf.newaxis])[..., tf.newaxis]
