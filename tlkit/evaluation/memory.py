"""Say what to do when a model needs more memory than there is."""

from __future__ import annotations

from contextlib import AbstractContextManager

from tlkit.runs.card import Card
from tlkit.system import memory


def explained_memory(card: Card, count: int, batch_size: int) -> AbstractContextManager[None]:
    """Turn an error about exhausted memory into one that names the model and says what to do.

    Args:
        card: the model's card.
        count: the number of images that the model was given.
        batch_size: the largest number of images that it is given at a time.

    Raises:
        RunError: the memory is exhausted.
    """
    fewer = f", or fewer images at a time than {batch_size}" if batch_size > 1 else ""
    size = "×".join(map(str, card.image_size))
    return memory.explained_memory(
        f"use a machine with more memory{fewer}",
        f"{card.name}: a layer of the model needs more memory than there is for {count} images of {size} pixels",
    )
