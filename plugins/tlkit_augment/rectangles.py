"""Rectangles in a batch of images, as masks."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def inside(top: Any, left: Any, bottom: Any, right: Any, size: tuple[Any, Any]) -> Any:
    """Return which pixels lie in a rectangle, one rectangle per image: bool (N, H, W, 1).

    Args:
        top: first row of each rectangle, int32 (N,).
        left: first column, int32 (N,).
        bottom: row after the last one, int32 (N,).
        right: column after the last one, int32 (N,).
        size: height and width of the images.
    """
    rows, columns = (tf.range(length)[tf.newaxis] for length in size)
    in_rows = (rows >= top[:, tf.newaxis]) & (rows < bottom[:, tf.newaxis])
    in_columns = (columns >= left[:, tf.newaxis]) & (columns < right[:, tf.newaxis])
    return (in_rows[:, :, tf.newaxis] & in_columns[:, tf.newaxis])[..., tf.newaxis]
