"""Samples' classes: their names and numbers, and a sample set with some of its classes only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tlkit.contracts import Sample, SampleSet


def classes_left(found: SampleSet, used: Iterable[Sample]) -> set[int]:
    """The classes that have an image in ``used``, and those that the data set names without having any.

    Of classes that masks name all are left: which of them a mask has is not known here.
    """
    if any(sample.mask is not None for sample in found.samples):
        return set(range(len(found.classes)))
    had = {number for sample in found.samples for number in numbers_of(sample)}
    have = {number for sample in used for number in numbers_of(sample)}
    return {number for number in range(len(found.classes)) if number in have or number not in had}


def with_classes(found: SampleSet, kept: set[int]) -> SampleSet:
    """The sample set with some of its classes, numbered anew; no sample may have another."""
    if len(kept) == len(found.classes):
        return found
    new = {number: place for place, number in enumerate(sorted(kept))}

    def renumbered(label: int | tuple[int, ...] | None) -> int | tuple[int, ...] | None:
        if isinstance(label, tuple):
            return tuple(new[number] for number in label)
        return None if label is None else new[label]

    return replace(
        found,
        samples=tuple(replace(sample, label=renumbered(sample.label)) for sample in found.samples),
        classes=tuple(found.classes[number] for number in new),
        colors={new[number]: color for number, color in found.colors.items() if number in new},
    )


def label_text(sample: Sample, classes: Sequence[str]) -> str:
    """A sample's class names, with ``|`` between them; empty if it has none."""
    return "|".join(classes[number] for number in numbers_of(sample))


def numbers_of(sample: Sample) -> tuple[int, ...]:
    """A sample's class numbers."""
    if sample.label is None:
        return ()
    return sample.label if isinstance(sample.label, tuple) else (sample.label,)
