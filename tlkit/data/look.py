"""Opening an even sample of images: sizes, formats, and the values of masks."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from tlkit.files import images_in

K = TypeVar("K", int, tuple[int, int, int])
T = TypeVar("T")

_SAMPLE = 400
"""How many files are opened at the most; all are counted."""
_UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def look(files: Sequence[Path]) -> tuple[tuple[tuple[int, int], ...], dict[str, int], int]:
    """Sizes and formats from the headers of an even sample."""
    sizes: list[tuple[int, int]] = []
    formats: Counter[str] = Counter()
    unreadable = 0
    for file in evenly(list(files), _SAMPLE):
        try:
            with _opened(file) as image:
                sizes.append(image.size)
                formats[image.format or "unknown"] += 1
        except _UNREADABLE:
            unreadable += 1
    return tuple(sizes), dict(formats.most_common()), unreadable


def _opened(file: Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large images: only the header is read
        return Image.open(file)


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly picked."""
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]


def _stems(folder: Path, files: Sequence[Path]) -> list[str]:
    return [file.relative_to(folder).with_suffix("").as_posix() for file in files]


def mask_suffix(images: Path, masks: Path) -> str | None:
    """What the masks' names have behind the images', the commonest; None when no mask is called like an image."""
    mask_stems = _stems(masks, list(images_in(masks)))
    known = set(mask_stems)
    found: Counter[str] = Counter()
    for stem in evenly(_stems(images, list(images_in(images))), 50):
        if stem in known:
            found[""] += 1
        else:
            endings = [other[len(stem) :] for other in mask_stems if other.startswith(stem)]
            endings = [ending for ending in endings if not ending[0].isalnum()]  # a1 is not the mask of a
            found.update(sorted(endings, key=len)[:1])
    return found.most_common(1)[0][0] if found else None


def paired(images: Path, image_files: Sequence[Path], masks: Path, mask_files: Sequence[Path], suffix: str) -> int:
    """How many of the images have a mask of their name and the suffix."""
    known = set(_stems(masks, mask_files))
    return sum(stem + suffix in known for stem in _stems(images, image_files))


def mask_values(files: Sequence[Path]) -> tuple[dict[int, float], dict[tuple[int, int, int], float]]:
    """The shares of the values, or of the colours where any mask has a colour."""
    values: Counter[int] = Counter()
    colors: Counter[tuple[int, int, int]] = Counter()
    for file in files:
        try:
            with _opened(file) as image:
                if image.mode in ("RGB", "RGBA", "CMYK", "YCbCr"):
                    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
                    seen, counts = np.unique(pixels, axis=0, return_counts=True)
                    for color, count in zip(seen.tolist(), counts.tolist(), strict=True):
                        colors[(color[0], color[1], color[2])] += count
                elif image.mode in ("LA", "PA"):
                    _count(values, np.asarray(image)[..., 0].reshape(-1))
                else:
                    _count(values, np.asarray(image.convert("L") if image.mode == "1" else image).reshape(-1))
        except _UNREADABLE:
            continue
    if all(red == green == blue for red, green, blue in colors):
        for (gray, _, _), count in colors.items():
            values[gray] += count
        return _shares(values), {}
    for value, count in values.items():
        colors[(value, value, value)] += count
    return {}, _shares(colors)


def _count(values: Counter[int], pixels: np.ndarray) -> None:
    seen, counts = np.unique(pixels, return_counts=True)
    for value, count in zip(seen.tolist(), counts.tolist(), strict=True):
        values[int(value)] += count


def _shares(counts: Counter[K]) -> dict[K, float]:
    total = sum(counts.values())
    return {key: count / total for key, count in sorted(counts.items())}
