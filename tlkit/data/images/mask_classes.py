"""Decide which mask values are classes, which mark unlabelled pixels, and which are noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tlkit.system.text import listed

Value = int | tuple[int, int, int]
"""A pixel value, or (red, green, blue)."""

MAX_CLASSES = 64
"""Masks with more different values than this don't hold class numbers."""
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
        notes: messages for the user.
    """

    classes: Mapping[Value, float] = field(default_factory=dict)
    ignored: Mapping[Value, float] = field(default_factory=dict)
    others: Mapping[Value, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def mask_classes(seen: MaskPixels) -> MaskClasses:
    """Divide the values of masks into classes, ignored values and others.

    255 counts as unlabelled only if the other values are 0 to n or 1 to n.
    """
    notes = []
    if seen.jpeg:
        notes.append(
            f"{seen.jpeg} of {seen.read} masks that were opened are JPEG files; JPEG changes values: save masks as PNG"
        )
    candidates = list(seen.shares)
    if not _numbered(candidates):
        peaks = _peaks(seen)
        candidates = peaks or [value for value in candidates if _common(value, seen)]
        chosen = set(candidates)
        left = [value for value in seen.shares if value not in chosen]
        if left and peaks:
            notes.append(
                f"{_count(left)} around {' and '.join(map(value_text, peaks))} come from smoothing or JPEG and are not "
                "classes; tlkit check names the masks that have them. Scale masks with nearest neighbour, and save "
                "them as PNG"
            )
        elif left:
            notes.append(
                "too rare to be classes, with under 0.1% of the pixels and in few masks: "
                f"{listed([value_text(value) for value in left])}; tlkit check names these masks. If they are classes, "
                "add them to data.values"
            )
    ignored: list[Value] = [255] if _marks_unlabelled(candidates) else []
    if not ignored and _ends_with_255(candidates) and not _numbered(candidates):
        notes.append(
            "255 is used as a class, because the other values are not 0 to n. If it marks unlabelled pixels, remove it "
            'from data.values and set data.ignore = ["255"]'
        )
    classes = set(candidates).difference(ignored)
    return MaskClasses(
        {value: share for value, share in seen.shares.items() if value in classes},
        {value: seen.shares[value] for value in ignored},
        {value: share for value, share in seen.shares.items() if value not in classes and value not in ignored},
        tuple(notes),
    )


def value_text(value: Value) -> str:
    """Return a value as a recipe writes it: ``255`` or ``#ff0000``."""
    return "#{:02x}{:02x}{:02x}".format(*value) if isinstance(value, tuple) else str(value)


def _numbered(values: Sequence[Value]) -> bool:
    """Return whether the values are class numbers, perhaps followed by 255."""
    return len(values) <= MAX_CLASSES and (_consecutive(values) or _marks_unlabelled(values))


def _consecutive(values: Sequence[Value]) -> bool:
    return list(values) in (list(range(len(values))), list(range(1, len(values) + 1)))


def _ends_with_255(values: Sequence[Value]) -> bool:
    return len(values) > 2 and values[-1] == 255 and isinstance(values[-2], int)


def _marks_unlabelled(values: Sequence[Value]) -> bool:
    return _ends_with_255(values) and _consecutive(values[:-1])


def _common(value: Value, seen: MaskPixels) -> bool:
    return seen.shares[value] >= _RARE or seen.masks[value] >= max(3, seen.read / 20)


def _peaks(seen: MaskPixels) -> list[Value]:
    """Return the values around which the others lie as noise does; none if the others are not noise."""
    numbers = {value: share for value, share in seen.shares.items() if isinstance(value, int)}
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
