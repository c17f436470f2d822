"""The classes of samples: their names and numbers, and sample sets with some of their classes only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from tlkit.contracts import Sample, SampleSet
from tlkit.data.splits.units import Strata


def classes_left(sample_set: SampleSet, used: Iterable[Sample]) -> set[int]:
    """Return the classes that have an image in ``used``, and those of which the data set never had an image.

    With masks, return all classes: which of them a mask has is not known here.
    """
    if any(sample.mask is not None for sample in sample_set.samples):
        return set(range(len(sample_set.classes)))
    before, now = _numbers(sample_set.samples), _numbers(used)
    return {number for number in range(len(sample_set.classes)) if number in now or number not in before}


def with_classes(sample_set: SampleSet, classes: set[int]) -> SampleSet:
    """Return the sample set with some of its classes, renumbered from 0; no sample may be of another class."""
    if len(classes) == len(sample_set.classes):
        return sample_set
    new = {number: place for place, number in enumerate(sorted(classes))}

    def renumbered(label: int | tuple[int, ...] | None) -> int | tuple[int, ...] | None:
        if isinstance(label, tuple):
            return tuple(new[number] for number in label)
        return None if label is None else new[label]

    return replace(
        sample_set,
        samples=tuple(replace(sample, label=renumbered(sample.label)) for sample in sample_set.samples),
        classes=tuple(sample_set.classes[number] for number in new),
        colors={new[number]: color for number, color in sample_set.colors.items() if number in new},
    )


def _numbers(samples: Iterable[Sample]) -> set[int]:
    """Return the class numbers that samples have."""
    labels = {sample.label for sample in samples}  # few, of many samples
    return {number for label in labels for number in _numbers_in(label)}


def label_text(sample: Sample, classes: Sequence[str]) -> str:
    """Return a sample's class names, joined by ``|``; empty if it has none."""
    return "|".join(classes[number] for number in numbers_of(sample))


def numbers_of(sample: Sample) -> tuple[int, ...]:
    """Return a sample's class numbers; empty if it has none."""
    return _numbers_in(sample.label)


def _numbers_in(label: int | tuple[int, ...] | None) -> tuple[int, ...]:
    if label is None:
        return ()
    return label if isinstance(label, tuple) else (label,)


def strata_of(sample_set: SampleSet, samples: Sequence[Sample]) -> Strata:
    """Return the class of each sample, by which splits are stratified; its classes in a multi-label data set."""
    if sample_set.multi_label:
        return [numbers_of(sample) for sample in samples]
    labels = (each.label[0] if isinstance(each.label, tuple) else each.label for each in samples)
    return np.fromiter(labels, np.int32, len(samples))
