"""Find pictures that several samples share: label conflicts, leaks between splits, and repetitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import get_args

import numpy as np

from tlkit.contracts import Sample, SampleSet, Split
from tlkit.data.checks.duplicates import same_pictures
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.findings import NEAR_COPIES
from tlkit.data.checks.policy import Observation
from tlkit.data.checks.sample_facts import KeyedFacts
from tlkit.data.images.reading import Reading
from tlkit.data.images.source import mask_of
from tlkit.errors import DataError

_SPLITS = get_args(Split)


def shared_pictures(samples: Sequence[Sample], facts: KeyedFacts, near: int) -> dict[str, int]:
    """Number the pictures that several samples share.

    Args:
        samples: the samples to compare.
        facts: sample key → facts of its image.
        near: the number of bits of the perceptual hash that may differ.

    Returns:
        sample key → number of its picture, for the samples that share one with another.
    """
    rows = facts.rows_of(each.key for each in samples)
    contents = (facts.facts.digests.contents(), facts.facts.pictures.contents())
    digests, pictures = (np.frombuffer(each, np.uint8).reshape(-1, 32)[rows] for each in contents)
    # Images of one colour are often alike without being copies.
    digests[np.fromiter((facts.facts.kind(row).constant for row in rows), bool)] = 0
    numbers = same_pictures(digests, pictures, near)
    counts = np.bincount(numbers, minlength=1)
    shared = np.flatnonzero(counts[numbers] > 1).tolist()
    return {samples[place].key: int(numbers[place]) for place in shared}


def by_picture(samples: Sequence[Sample], pictures: Mapping[str, int]) -> list[list[Sample]]:
    """Group the samples that share a picture, each group in the order of the keys."""
    groups: dict[int, list[Sample]] = {}
    shared = [each for each in samples if each.key in pictures]
    for sample in sorted(shared, key=lambda each: each.key):
        groups.setdefault(pictures[sample.key], []).append(sample)
    return [group for group in groups.values() if len(group) > 1]


def conflicts(
    groups: Sequence[Sequence[Sample]], facts: Mapping[str, Facts], sample_set: SampleSet, reading: Reading
) -> Iterator[Observation]:
    """Yield the pictures with several labels, then the images of the same bytes with different masks.

    Args:
        groups: samples that share a picture.
        facts: sample key → facts of its image.
        sample_set: the sample set.
        reading: how files are read.
    """
    yield from _label_conflicts(groups, facts, sample_set.classes)
    yield from _mask_conflicts(groups, facts, partial(_read_mask, sample_set=sample_set, reading=reading))


def leaks(
    groups: Sequence[Sequence[Sample]], facts: Mapping[str, Facts], splits: Mapping[str, str]
) -> Iterator[Observation]:
    """Yield the pictures in several splits; the last of these splits keeps its files."""
    for group in groups:
        inside = [each for each in group if splits.get(each.key) in _SPLITS]
        sides = sorted({splits[each.key] for each in inside}, key=_SPLITS.index)
        if len(sides) > 1:
            ordered = sorted(inside, key=lambda each: (_SPLITS.index(splits[each.key]), each.key))
            affected = [each for each in inside if splits[each.key] != sides[-1]]
            yield _observation("leak", ordered, f"{_sameness(inside, facts)} in {' and '.join(sides)}", affected)


def repeats(
    groups: Sequence[Sequence[Sample]], facts: Mapping[str, Facts], splits: Mapping[str, str]
) -> Iterator[Observation]:
    """Yield the pictures that occur several times in one class and split; all but the first file are affected."""
    for group in groups:
        alike: dict[object, list[Sample]] = {}
        for sample in group:
            alike.setdefault((sample.label, splits.get(sample.key)), []).append(sample)
        for each in alike.values():
            if len(each) > 1:
                yield _observation("duplicate", each, _sameness(each, facts), each[1:])


def _label_conflicts(
    groups: Sequence[Sequence[Sample]], facts: Mapping[str, Facts], classes: Sequence[str]
) -> Iterator[Observation]:
    for group in groups:
        labels = {sample.label for sample in group}
        if len(labels) > 1:
            named = ", ".join(_label(each, classes) for each in sorted(labels, key=str))
            yield _observation("conflict", group, f"{_sameness(group, facts)} in {named}", group)


def _mask_conflicts(
    groups: Sequence[Sequence[Sample]],
    facts: Mapping[str, Facts],
    read_mask: Callable[[Sample], np.ndarray | None],
) -> Iterator[Observation]:
    for group in groups:
        same: dict[str, list[Sample]] = {}
        for sample in group:
            if sample.mask is not None:
                same.setdefault(facts[sample.key].digest, []).append(sample)
        for each in same.values():
            masks = [mask for sample in each for mask in (read_mask(sample),) if mask is not None]
            if any(not np.array_equal(masks[0], other) for other in masks[1:]):
                yield _observation("conflict", each, "the same bytes with different masks", each)


def _read_mask(sample: Sample, sample_set: SampleSet, reading: Reading) -> np.ndarray | None:
    """Return the class numbers of a sample's mask, uint8 (height, width); None where it can't be decoded."""
    mask = mask_of(sample, sample_set, reading)
    try:
        return None if mask is None else mask.decode(mask.read())
    except DataError:
        return None


def _observation(kind: str, group: Sequence[Sample], detail: str, affected: Sequence[Sample]) -> Observation:
    """Return an observation about the first sample of a group that names the others."""
    first, *others = (each.key for each in group)
    return Observation(kind, first, detail, tuple(others), tuple(each.key for each in affected))


def _sameness(group: Sequence[Sample], facts: Mapping[str, Facts]) -> str:
    digests = {facts[each.key].digest for each in group}
    return "the same bytes" if len(digests) == 1 else NEAR_COPIES


def _label(label: int | tuple[int, ...] | None, classes: Sequence[str]) -> str:
    if label is None:
        return "no class"
    return "|".join(classes[number] for number in (label if isinstance(label, tuple) else (label,)))
