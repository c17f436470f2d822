"""Open an even sample of a folder's files: the sizes and formats of images."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

T = TypeVar("T")

_MAX_OPENED = 400
"""Maximum number of images to open; all are counted."""
_UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Headers:
    """The headers of the images that were opened.

    Args:
        sizes: (width, height) of each image.
        formats: Pillow's name of the format → number of images, the most frequent first.
        unreadable: the number of other files that were opened but are not images.
    """

    sizes: tuple[tuple[int, int], ...] = ()
    formats: Mapping[str, int] = field(default_factory=dict)
    unreadable: int = 0


def read_headers(files: Sequence[Path]) -> Headers:
    """Read the headers of an even sample of images."""
    sizes: list[tuple[int, int]] = []
    formats: Counter[str] = Counter()
    unreadable = 0
    for file in evenly(files, _MAX_OPENED):
        try:
            with _opened(file) as image:
                sizes.append(image.size)
                formats[image.format or "unknown"] += 1
        except _UNREADABLE:
            unreadable += 1
    return Headers(tuple(sizes), dict(formats.most_common()), unreadable)


def _opened(file: Path) -> Image.Image:
    # Not open_image, which reads whole files and refuses other formats: here headers suffice, and any format counts.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images, but only the header is read here
        return Image.open(file)


def evenly(items: Sequence[T], limit: int) -> list[T]:
    """Return at most ``limit`` of the items, evenly spaced."""
    if len(items) <= limit:
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]
