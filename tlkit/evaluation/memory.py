"""Say what to do when a model needs more memory than there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from tlkit.errors import RunError
from tlkit.runs.card import Card


@contextmanager
def explained_memory(card: Card, count: int, batch_size: int) -> Iterator[None]:
    """Turn TensorFlow's error about exhausted memory into one that says what to do.

    Args:
        card: the model's card.
        count: the number of images that the model was given.
        batch_size: the largest number of images that it is given at a time.

    Raises:
        RunError: the memory of the device is exhausted.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        fewer = f", or fewer images at a time than {batch_size}" if batch_size > 1 else ""
        raise RunError(
            f"{card.name}: a layer of the model needs more memory than there is for {count} images of "
            f"{'×'.join(map(str, card.image_size))} pixels; use a machine with more memory{fewer}"
        ) from error
