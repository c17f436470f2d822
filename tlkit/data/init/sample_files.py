"""Open an even sample of a folder's files: the sizes and formats of images, the names and values of masks."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from tlkit.data.images.mask_classes import MaskPixels, Value
from tlkit.files import images_in

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


def _stems(folder: Path, files: Sequence[Path]) -> list[str]:
    return [file.relative_to(folder).with_suffix("").as_posix() for file in files]


def mask_suffix(images: Path, masks: Path) -> str | None:
    """Return what most masks' names add to their images' names; None if no mask is named after an image."""
    mask_stems = _stems(masks, list(images_in(masks)))
    known = set(mask_stems)
    suffixes: Counter[str] = Counter()
    for stem in evenly(_stems(images, list(images_in(images))), 50):
        if stem in known:
            suffixes[""] += 1
        else:
            endings = [other[len(stem) :] for other in mask_stems if other.startswith(stem)]
            endings = [ending for ending in endings if not ending[0].isalnum()]  # a1 is not the mask of a
            suffixes.update(sorted(endings, key=len)[:1])
    return suffixes.most_common(1)[0][0] if suffixes else None


def count_paired(
    images: Path, image_files: Sequence[Path], masks: Path, mask_files: Sequence[Path], suffix: str
) -> int:
    """Return how many of the images have a mask of the same name plus the suffix."""
    known = set(_stems(masks, mask_files))
    return sum(stem + suffix in known for stem in _stems(images, image_files))


def mask_pixels(files: Sequence[Path]) -> MaskPixels:
    """Count the values of masks; their colours if any mask has a colour that is not grey."""
    plain, indices, palettes, colors = _Counts(), _Counts(), _Counts(), _Counts()
    read = jpeg = 0
    for file in files:
        try:
            with _opened(file) as image:
                if image.mode in ("RGB", "RGBA", "CMYK", "YCbCr"):
                    colors.add(_packed_colors(image))
                elif image.mode in ("P", "PA"):
                    indices.add(_values(image))
                    palettes.add(_packed_colors(image))
                else:
                    plain.add(_values(image))
                read += 1
                jpeg += image.format in ("JPEG", "MPO")
        except _UNREADABLE:
            continue
    if all(_is_grey(color) for color in colors.pixels):
        total = plain.plus(indices).plus(colors, lambda color: color & 255)
        names: dict[int, Value] = {value: value for value in sorted(total.pixels)}
    else:
        # Beside masks of colours, masks with a palette are read by their colours too.
        total = colors.plus(palettes).plus(plain, lambda value: min(max(value, 0), 255) * 0x010101)
        names = {value: (value >> 16, value >> 8 & 255, value & 255) for value in sorted(total.pixels)}
    count = sum(total.pixels.values())
    return MaskPixels(
        {name: total.pixels[value] / count for value, name in names.items()},
        {name: total.masks[value] for value, name in names.items()},
        read,
        jpeg,
    )


class _Counts:
    """The number of pixels, and of masks, that have each value."""

    def __init__(self) -> None:
        self.pixels: Counter[int] = Counter()
        self.masks: Counter[int] = Counter()

    def add(self, pixels: np.ndarray) -> None:
        values, counts = np.unique(pixels, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self.pixels[int(value)] += count
            self.masks[int(value)] += 1

    def plus(self, other: _Counts, convert: Callable[[int], int] = int) -> _Counts:
        total = _Counts()
        total.pixels, total.masks = self.pixels.copy(), self.masks.copy()
        for value, count in other.pixels.items():
            total.pixels[convert(value)] += count
            total.masks[convert(value)] += other.masks[value]
        return total


def _packed_colors(image: Image.Image) -> np.ndarray:
    rgb = np.asarray(image.convert("RGB")).astype(np.int64)
    return (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]


def _is_grey(color: int) -> bool:
    return color % 0x010101 == 0


def _values(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
    if image.mode in ("LA", "PA"):
        pixels = pixels[..., 0]
    return pixels[np.isfinite(pixels)] if image.mode == "F" else pixels
