"""Decide which mask values are classes, which mark unlabelled pixels, and which are noise."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tlkit.contracts import MaskValue
from tlkit.system.text import listed

Value = MaskValue
"""A pixel value, or (red, green, blue)."""

MAX_CLASSES = 64
"""Masks with more different values than this don't hold class numbers."""
MAX_STRAY = 8
"""Ignore up to this many rare values; more come from smoothed edges."""
_FEW = 4
"""More values than this up to ``MAX_CLASSES`` are class numbers, of which the masks that were opened lack some."""
_GREATEST = (2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1)
"""The greatest values of integers, which mark pixels without data."""
_HUGE = 1e30
"""Floating-point values from here on mark pixels without data, such as the least float32."""
_RARE = 0.001
"""A value with a smaller share of the pixels is a class only if many masks have it."""
_NOISE = 6
"""This many values beside the two most frequent ones are noise, if they lie around those and are rare."""
_REACH = 24
"""JPEG at usual qualities changes the values of a flat area by less than this."""


@dataclass(frozen=True)
class MaskPixels:
    """The values, or colours, of an even sample of masks.

    Args:
        shares: value or colour → share of the pixels; the values ascend.
        masks: value or colour → number of masks that have it.
        read: how many masks were read.
        jpeg: how many of those are JPEG files.
    """

    shares: Mapping[Value, float]
    masks: Mapping[Value, int]
    read: int
    jpeg: int


@dataclass(frozen=True)
class MaskClasses:
    """The values, or colours, of masks by their meaning.

    Args:
        classes: value or colour → share of the pixels, of the classes.
        ignored: the same, for values that usually mark unlabelled pixels.
        others: the same, for all other values: noise, or too rare to distinguish from noise.
        nearest: whether the others lie around the classes and mean the nearest one; otherwise they are to be ignored.
        notes: messages for the user.
    """

    classes: Mapping[Value, float] = field(default_factory=dict)
    ignored: Mapping[Value, float] = field(default_factory=dict)
    others: Mapping[Value, float] = field(default_factory=dict)
    nearest: bool = False
    notes: tuple[str, ...] = ()


def mask_classes(seen: MaskPixels, named: Collection[Value] = ()) -> MaskClasses:
    """Divide the values of masks into classes, ignored values and others.

    Values that have a name are classes. NaN counts as unlabelled, and so do negative values beside two others, and 255
    or the greatest value of 16 or 32 bits if the other values are 0 to n or 1 to n.

    Args:
        seen: the values.
        named: those that a file beside the masks names.
    """
    notes = []
    if seen.jpeg:
        notes.append(
            f"{seen.jpeg} of {seen.read} masks that were opened are JPEG files; JPEG changes values: save masks as PNG"
        )
    missing = [value for value in _no_data(list(seen.shares)) if value not in named]
    if missing:
        notes.append(
            f"{listed([value_text(value) for value in missing])}: ignored, because such values usually mark pixels "
            "without a label. If one is a class, move it from data.ignore to data.values"
        )
    candidates: list[Value] = [value for value in seen.shares if value not in missing]
    peaks: list[Value] = []
    complete = bool(named) and all(value in named or value in (0, 255) for value in candidates)
    if not complete and not numbered(candidates):
        peaks = _peaks(seen, missing)
        candidates = peaks or [value for value in candidates if _common(value, seen)]
        chosen = {*candidates, *missing}
        left = [value for value in seen.shares if value not in chosen]
        if left and peaks:
            notes.append(
                f"{_count(left)} around {' and '.join(map(value_text, peaks))} come from smoothing or JPEG and are not "
                "classes; data.nearest counts each as the nearest class, which is wrong where a third class lies "
                "between two. Scale masks with nearest neighbour, and save them as PNG"
            )
        elif left:
            notes.append(
                "too rare to be classes, with under 0.1% of the pixels and in few masks: "
                f"{listed([value_text(value) for value in left])}; such pixels are ignored. If they are classes, "
                "move them from data.ignore to data.values"
            )
    void = _marks_unlabelled(candidates) or (complete and 255 in candidates)
    ignored: list[Value] = [255] if void and 255 not in named else []
    if not (ignored or named) and _ends_with_255(candidates) and not numbered(candidates):
        notes.append(
            "255 is used as a class, because the other values are not 0 to n. If it marks unlabelled pixels, remove it "
            'from data.values and set data.ignore = ["255"]'
        )
    classes = set(candidates).difference(ignored)
    ignored = [*missing, *ignored]
    others = {value: share for value, share in seen.shares.items() if value not in classes and value not in ignored}
    return MaskClasses(
        {value: share for value, share in seen.shares.items() if value in classes},
        {value: seen.shares[value] for value in ignored},
        others,
        bool(others) and (bool(peaks) or len(others) > MAX_STRAY),
        tuple(notes),
    )


def value_text(value: Value) -> str:
    """Return a value as a recipe writes it: ``255``, ``-1``, ``0.5``, ``nan`` or ``#ff0000``."""
    if isinstance(value, tuple):
        return "#{:02x}{:02x}{:02x}".format(*value)
    if isinstance(value, float) and math.isfinite(value):
        with np.errstate(over="ignore"):
            short = np.float32(value)
        return str(short if float(short) == value else value)
    return str(value)


def numbered(values: Sequence[Value]) -> bool:
    """Return whether the values are class numbers, perhaps followed by 255."""
    return len(values) <= MAX_CLASSES and (_consecutive(values) or _marks_unlabelled(values))


def _no_data(values: Sequence[Value]) -> list[Value]:
    """Return the values that usually mark pixels without a label, but for 255."""
    numbers = [value for value in values if not isinstance(value, tuple)]
    missing: list[Value] = [value for value in numbers if not math.isfinite(value) or abs(value) >= _HUGE]
    negative = [value for value in numbers if value < 0 and value not in missing]
    rest = [value for value in numbers if value not in missing and value not in negative]
    if len(rest) < 2:
        return missing
    if rest[-1] in _GREATEST and len(rest) > 2 and numbered(rest[:-1]):
        negative.append(rest[-1])
    return [*negative, *missing]


def _consecutive(values: Sequence[Value]) -> bool:
    """Return whether the values are 0 to n or 1 to n; of more than ``_FEW``, some may be missing."""
    if len(values) > _FEW and all(isinstance(value, int) and 0 <= value <= MAX_CLASSES for value in values):
        return True
    return list(values) in (list(range(len(values))), list(range(1, len(values) + 1)))


def _ends_with_255(values: Sequence[Value]) -> bool:
    return len(values) > 2 and values[-1] == 255 and isinstance(values[-2], int)


def _marks_unlabelled(values: Sequence[Value]) -> bool:
    return _ends_with_255(values) and _consecutive(values[:-1])


def _common(value: Value, seen: MaskPixels) -> bool:
    return seen.shares[value] >= _RARE or seen.masks[value] >= max(3, seen.read / 20)


def _peaks(seen: MaskPixels, missing: Collection[Value]) -> list[Value]:
    """Return the values around which the others lie as noise does; none if the others are not noise."""
    numbers = {value: share for value, share in seen.shares.items() if isinstance(value, int) and value not in missing}
    if len(numbers) < 2 + _NOISE:
        return []
    if seen.jpeg == seen.read:
        near = {value: max(numbers.get(value + step, 0) for step in range(-_REACH, _REACH + 1)) for value in numbers}
        peaks = [value for value, share in numbers.items() if share == near[value] and share >= 10 * _RARE]
        return list(peaks) if len(peaks) > 1 else []
    low, high = sorted(sorted(numbers, key=lambda value: -numbers[value])[:2])
    others = [value for value in numbers if value not in (low, high)]
    on_both_sides = min(others) < (low + high) / 2 < max(others)
    rare = max(numbers[value] for value in others) < min(numbers[low], numbers[high]) / 3
    return [low, high] if on_both_sides and rare and numbers[low] + numbers[high] > 0.8 else []


def _count(values: Sequence[Value]) -> str:
    return "1 value" if len(values) == 1 else f"{len(values)} values"
