"""The images of the data sets that datumaro writes; imported by the scripts beside it, outside tlkit's environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import datumaro as dm
import numpy as np
from datumaro.components.media import Image


def items(count: int, annotations: Callable[[np.random.Generator, int, int], Iterator[Any]]) -> Iterator[Any]:
    """Yield images of noise in three folders, a fifth of them for validation.

    Args:
        count: the number of images.
        annotations: makes those of an image from a random generator, a height and a width.
    """
    random = np.random.default_rng(0)
    for number in range(count):
        height, width = random.integers(12, 90, 2).tolist()
        pixels = random.integers(0, 255, (height, width, 3)).astype(np.uint8)
        yield dm.DatasetItem(
            id=f"d{number % 3}/image {number}",
            subset="val" if number % 5 == 4 else "train",
            media=Image.from_numpy(pixels),
            annotations=list(annotations(random, height, width)),
        )
