"""Read an even sample of masks, and decide what their values are: grey values, indices, colours or a channel."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tlkit.contracts import MaskChannel
from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.mask_classes import MAX_CLASSES, MaskPixels, Value, numbered
from tlkit.data.images.mask_file import RawMask, read_mask
from tlkit.data.images.palettes import recolored, reordered
from tlkit.system.text import listed

_INSTANCES = 1000
"""Cityscapes numbers instances by class * 1000 + number."""


@dataclass(frozen=True)
class MaskReading:
    """How masks are to be read.

    Args:
        pixels: their values.
        channel: the channel that has them.
        notes: messages for the user.
        inverted: whether 0 is white in their files, so that 0 is true and 255 false.
    """

    pixels: MaskPixels
    channel: MaskChannel = "auto"
    notes: tuple[str, ...] = ()
    inverted: bool = False


@dataclass
class _Counts:
    """The number of pixels, and of masks, that have each value."""

    pixels: Counter[float] = field(default_factory=Counter)
    masks: Counter[float] = field(default_factory=Counter)

    def add(self, pixels: np.ndarray) -> int:
        """Add a mask; return how many different values it has."""
        values, counts = np.unique(pixels, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            key = _plain(value)
            self.pixels[key] += count
            self.masks[key] += 1
        return len(values)

    def plus(self, other: _Counts, convert: Callable[[float], float] = lambda value: value) -> _Counts:
        """Return both together, with the values of the other converted."""
        total = _Counts(self.pixels.copy(), self.masks.copy())
        for value, count in other.pixels.items():
            total.pixels[convert(value)] += count
            total.masks[convert(value)] += other.masks[value]
        return total

    def shown(self, read: int, jpeg: int, *, colors: bool = False) -> MaskPixels:
        """Return shares of the pixels, by ascending values."""
        order = sorted(self.pixels, key=lambda value: math.inf if math.isnan(value) else value)
        count = max(sum(self.pixels.values()), 1)
        names = {value: _color(int(value)) if colors else value for value in order}
        return MaskPixels(
            {names[value]: self.pixels[value] / count for value in order},
            {names[value]: self.masks[value] for value in order},
            read,
            jpeg,
        )


class _Seen:
    """All that the sampled masks show."""

    def __init__(self) -> None:
        self.plain, self.indices, self.palette_colors, self.colors, self.alpha = (_Counts() for _ in range(5))
        self.palettes: dict[Path, Mapping[int, str]] = {}
        self.inverted = self.read = self.jpeg = self.uniform = self.with_alpha = 0

    def add(self, file: Path, raw: RawMask) -> None:
        """Count the values of a mask."""
        if raw.palette is not None:
            distinct = self.indices.add(raw.values)
            self.palette_colors.add(_colors_of(raw))
            self.palettes[file] = raw.used_palette()
        elif raw.values.ndim == 3:
            distinct = self.colors.add(_colors_of(raw))
        else:
            distinct = self.plain.add(raw.values)
        if raw.alpha is not None and raw.palette is None:
            self.with_alpha += self.alpha.add(raw.alpha) > 1
        self.uniform += distinct == 1
        self.inverted += raw.inverted
        self.read += 1
        self.jpeg += raw.format in ("JPEG", "MPO")


def mask_reading(files: Sequence[Path], *, by_color: bool = False) -> MaskReading:
    """Read masks and decide between grey values or indices, colours, and a single channel.

    Args:
        files: the masks; those that can't be decoded are left out.
        by_color: whether the colours of palettes have names, so that the colours decide.
    """
    seen = _Seen()
    for file in files:
        try:
            seen.add(file, read_mask(file))
        except BadImageError:
            continue
    if seen.read and seen.uniform == seen.read and 2 * seen.with_alpha > seen.read:
        note = "all masks are of one colour, and their alpha channel varies: it is read as the mask (data.channel)"
        return MaskReading(seen.alpha.shown(seen.read, seen.jpeg), "alpha", (note,))
    notes = []
    if seen.with_alpha:
        alpha = listed([str(value) for value in sorted(seen.alpha.pixels)], 6)
        notes.append(
            f"{seen.with_alpha} of {seen.read} masks that were opened have an alpha channel with several values "
            f'({alpha}), which is not used; data.channel = "alpha" reads it instead of the colours'
        )
    if seen.inverted:
        notes.append(
            f"{seen.inverted} of {seen.read} masks that were opened are TIFF files in which 0 is white, as some "
            "programs save arrays of true and false: true is read as 0, false as 255. Look at the masks with "
            "tlkit check --html"
        )
    colored = any(not _is_grey(int(color)) for color in seen.colors.pixels)
    reading = _by_color(seen) if colored or (by_color and seen.palettes) else _by_number(seen)
    return MaskReading(reading.pixels, reading.channel, (*notes, *reading.notes), 2 * seen.inverted > seen.read)


def _by_number(seen: _Seen) -> MaskReading:
    """Return the reading of masks of grey values and indices; by colour where the palettes don't agree."""
    moved, tinted = reordered(seen.palettes), recolored(seen.palettes)
    notes = []
    grey = {color & 255 for color in map(int, seen.palette_colors.pixels) if _is_grey(color)}
    known = set(seen.plain.pixels)
    other_scale = (
        bool(known)
        and not set(seen.indices.pixels) <= known
        and len(grey) == len(seen.palette_colors.pixels)
        and grey <= known
    )
    if moved or other_scale:
        file = next(iter(moved), None)
        example = "" if file is None else f": in {file.name}, {moved[file]}"
        why = "have palettes of another order" if moved else "have a palette, others grey values"
        count = len(moved) if moved else len(seen.palettes)
        notes.append(
            f"{count} of {seen.read} masks that were opened {why}{example}; so masks are read by their colours"
        )
        reading = _by_color(seen)
        return MaskReading(reading.pixels, reading.channel, (*notes, *reading.notes))
    if tinted:
        notes.append(
            f"{len(tinted)} of {len(seen.palettes)} palettes have other colours for the same indices; masks are read "
            "by their indices. If the colours decide, write colours as keys of data.values"
        )
    total = seen.plain.plus(seen.indices).plus(seen.colors, lambda color: int(color) & 255)
    instances = [value for value in total.pixels if value >= _INSTANCES]
    if len({value // _INSTANCES for value in instances}) < len(instances):
        notes.append(
            f"values such as {int(max(instances))} look like numbers of instances, as class * 1000 + number; tlkit "
            "learns classes: if there are masks of class numbers as well, use those"
        )
    return MaskReading(total.shown(seen.read, seen.jpeg), notes=tuple(notes))


def _by_color(seen: _Seen) -> MaskReading:
    """Return the reading of masks of colours; by the red channel where it has class numbers."""
    total = seen.colors.plus(seen.palette_colors).plus(seen.plain, lambda value: _grey(value) * 0x010101)
    pixels = total.shown(seen.read, seen.jpeg, colors=True)
    red, rest = Counter[float](), Counter[float]()
    for color in map(int, total.pixels):
        red[color >> 16] += 1
        rest[color & 0xFFFF] += 1
    counts = sorted(int(value) for value in red)
    parts = sorted({part for value in map(int, rest) for part in (value >> 8, value & 255)})
    instances = len(total.pixels) > MAX_CLASSES or (len(total.pixels) > 2 * len(counts) and numbered(parts))
    if len(counts) < 2 or not numbered(counts) or set(counts) == {0, 255} or not (len(rest) == 1 or instances):
        return MaskReading(pixels)
    channel = total_of(total, 16)
    what = (
        "the green and blue channels are empty"
        if len(rest) == 1
        else (f"the {len(total.pixels)} colours differ in green and blue as numbers of instances do")
    )
    note = (
        f"the red channel has the class numbers {listed([str(each) for each in counts], 8)}, and {what}: the red "
        "channel is read as the mask. If each colour is a class, remove data.channel and write colours as keys of "
        "data.values"
    )
    return MaskReading(channel.shown(seen.read, seen.jpeg), "red", (note,))


def total_of(counts: _Counts, shift: int) -> _Counts:
    """Return the counts of one channel of packed colours."""
    return _Counts().plus(counts, lambda color: int(color) >> shift & 255)


def _colors_of(raw: RawMask) -> np.ndarray:
    colors = raw.colors()
    assert colors is not None
    return colors


def _plain(value: float) -> float:
    """Return a whole number as int, so that 1.0 and 1 are one value; NaN as the one object that equals itself."""
    if isinstance(value, int):
        return int(value)
    if math.isnan(value):
        return math.nan
    return int(value) if math.isfinite(value) and value == int(value) and abs(value) < 2**53 else value


def _grey(value: float) -> int:
    return 0 if math.isnan(value) else int(min(max(value, 0), 255))


def _is_grey(color: int) -> bool:
    return color % 0x010101 == 0


def _color(packed: int) -> Value:
    return (packed >> 16, packed >> 8 & 255, packed & 255)
