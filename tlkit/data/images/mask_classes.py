"""Which of the values that masks have are classes, and which are noise or pixels that nobody labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Value = int | tuple[int, int, int]
"""A pixel value, or (red, green, blue)."""

MOST_CLASSES = 64
"""More different values than that in masks are no class numbers."""
_RARE = 0.001
"""A value with less of the pixels is a class only if many masks have it."""
_NOISE = 6
"""So many values beside the two commonest are taken for noise, if they lie around them and are rare."""
_REACH = 24
"""JPEG at usual qualities moves values of a flat area by less."""


@dataclass(frozen=True)
class MaskPixels:
    """What an even sample of masks has.

    Args:
        shares: value or colour → share of the pixels, ascending.
        masks: value or colour → how many of the masks have it.
        read: how many masks were read.
        jpeg: how many of them are JPEG.
    """

    shares: Mapping[Value, float]
    masks: Mapping[Value, int]
    read: int
    jpeg: int


@dataclass(frozen=True)
class MaskClasses:
    """The values of masks, sorted out.

    Args:
        classes: value or colour → share of the pixels, of the classes.
        ignored: the same of values that by custom mark what nobody labelled.
        others: the same of values that are neither: noise, or too rare to be told from it.
        notes: what is odd about them.
    """

    classes: Mapping[Value, float] = field(default_factory=dict)
    ignored: Mapping[Value, float] = field(default_factory=dict)
    others: Mapping[Value, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def mask_classes(seen: MaskPixels) -> MaskClasses:
    """Sort out the values of masks; 255 is ignored only beside class numbers 0 to n or 1 to n."""
    notes = []
    if seen.jpeg:
        notes.append(
            f"{seen.jpeg} of {seen.read} masks that were opened are JPEG, which changes values: save masks as PNG"
        )
    kept = list(seen.shares)
    if not _numbered(kept):
        peaks = _peaks(seen)
        kept = peaks or [value for value in kept if _common(value, seen)]
        among = set(kept)
        left = [value for value in seen.shares if value not in among]
        if left and peaks:
            notes.append(
                f"{_count(left)} around {' and '.join(map(value_text, peaks))}, as smoothing and JPEG make them, are "
                "not taken for classes; tlkit check names the masks that have them: scale masks with nearest neighbour "
                "and save them as PNG"
            )
        elif left:
            shown = ", ".join(map(value_text, left[:8])) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
            notes.append(
                f"not taken for classes, because under 0.1% of the pixels and few masks have them: {shown}; "
                "tlkit check names these masks; if they are classes, add them to data.values"
            )
    ignored: list[Value] = [255] if _marks_unlabelled(kept) else []
    if not ignored and len(kept) > 2 and kept[-1] == 255 and isinstance(kept[-2], int) and not _numbered(kept):
        notes.append(
            "255 is taken for a class, because the other values are not 0 to n; if it marks what nobody labelled, "
            'remove it from data.values and set ignore = ["255"]'
        )
    classes = set(kept).difference(ignored)
    return MaskClasses(
        {value: share for value, share in seen.shares.items() if value in classes},
        {value: seen.shares[value] for value in ignored},
        {value: share for value, share in seen.shares.items() if value not in classes and value not in ignored},
        tuple(notes),
    )


def value_text(value: Value) -> str:
    """A value as a recipe writes it: ``255`` or ``#ff0000``."""
    return "#{:02x}{:02x}{:02x}".format(*value) if isinstance(value, tuple) else str(value)


def _numbered(values: Sequence[Value]) -> bool:
    """Whether the values are class numbers, with 255 behind them or not."""
    return len(values) <= MOST_CLASSES and (_consecutive(values) or _marks_unlabelled(values))


def _consecutive(values: Sequence[Value]) -> bool:
    return list(values) in (list(range(len(values))), list(range(1, len(values) + 1)))


def _marks_unlabelled(values: Sequence[Value]) -> bool:
    return len(values) > 2 and values[-1] == 255 and _consecutive(values[:-1])


def _common(value: Value, seen: MaskPixels) -> bool:
    return seen.shares[value] >= _RARE or seen.masks[value] >= max(3, seen.read / 20)


def _peaks(seen: MaskPixels) -> list[Value]:
    """The values that the others lie around as noise does; none if the others are no noise."""
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
