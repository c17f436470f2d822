"""Opening an even sample of images: sizes, formats, and the values of masks."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from tlkit.data.images.mask_classes import MaskPixels, Value
from tlkit.files import images_in

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


def mask_pixels(files: Sequence[Path]) -> MaskPixels:
    """The values that masks have, or the colours where any mask has a colour."""
    plain, indices, palettes, colors = _Seen(), _Seen(), _Seen(), _Seen()
    read = jpeg = 0
    for file in files:
        try:
            with _opened(file) as image:
                if image.mode in ("RGB", "RGBA", "CMYK", "YCbCr"):
                    colors.add(_packed(image))
                elif image.mode in ("P", "PA"):
                    indices.add(_values(image))
                    palettes.add(_packed(image))
                else:
                    plain.add(_values(image))
                read += 1
                jpeg += image.format in ("JPEG", "MPO")
        except _UNREADABLE:
            continue
    if all(_is_gray(color) for color in colors.pixels):
        total = plain.joined(indices).joined(colors, lambda color: color & 255)
        names: dict[int, Value] = {value: value for value in sorted(total.pixels)}
    else:
        # Among colour masks those of a palette are read by their colours too.
        total = colors.joined(palettes).joined(plain, lambda value: min(max(value, 0), 255) * 0x010101)
        names = {value: (value >> 16, value >> 8 & 255, value & 255) for value in sorted(total.pixels)}
    count = sum(total.pixels.values())
    return MaskPixels(
        {name: total.pixels[value] / count for value, name in names.items()},
        {name: total.masks[value] for value, name in names.items()},
        read,
        jpeg,
    )


class _Seen:
    """How many pixels, and how many masks, have each value."""

    def __init__(self) -> None:
        self.pixels: Counter[int] = Counter()
        self.masks: Counter[int] = Counter()

    def add(self, pixels: np.ndarray) -> None:
        seen, counts = np.unique(pixels, return_counts=True)
        for value, count in zip(seen.tolist(), counts.tolist(), strict=True):
            self.pixels[int(value)] += count
            self.masks[int(value)] += 1

    def joined(self, other: _Seen, name: Callable[[int], int] = int) -> _Seen:
        both = _Seen()
        both.pixels, both.masks = self.pixels.copy(), self.masks.copy()
        for value, count in other.pixels.items():
            both.pixels[name(value)] += count
            both.masks[name(value)] += other.masks[value]
        return both


def _packed(image: Image.Image) -> np.ndarray:
    rgb = np.asarray(image.convert("RGB")).astype(np.int64)
    return (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]


def _is_gray(color: int) -> bool:
    return color % 0x010101 == 0


def _values(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
    if image.mode in ("LA", "PA"):
        pixels = pixels[..., 0]
    return pixels[np.isfinite(pixels)] if image.mode == "F" else pixels
