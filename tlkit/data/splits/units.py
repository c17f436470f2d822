"""What a split is drawn of: single images, or several that stay together, with their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.data.splits.group_numbers import NONE

Strata = np.ndarray | Sequence[tuple[int, ...]]
"""The class of each sample, int32 (N,); in a multi-label data set its classes."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Samples that stay in one split.

    Args:
        places: the places of the samples.
        images: how many images they represent.
        labels: class number → how many of the images have it.
    """

    places: tuple[int, ...]
    images: int
    labels: Mapping[int, int]


def units_of(
    places: np.ndarray, strata: Strata | None, groups: np.ndarray, files: np.ndarray | None = None
) -> list[Unit]:
    """Return one unit for each group, and for each sample without one, in the order of their first samples.

    Args:
        places: the places of the samples.
        strata: the class, or the classes, of each sample; None: none.
        groups: the group of each sample, as ``numbered_groups`` returns them.
        files: how many images each sample represents; None: one each.
    """
    members: dict[int, int | list[int]] = {}
    for place, group in zip(places.tolist(), groups[places].tolist(), strict=True):
        if group == NONE:
            members[~place] = place
        else:
            members.setdefault(group, []).append(place)  # type: ignore[union-attr]
    classes = strata.tolist() if isinstance(strata, np.ndarray) else strata
    images = None if files is None else files.tolist()
    single: dict[tuple[tuple[int, ...], int], Mapping[int, int]] = {}
    units = []
    for each in members.values():
        its = [each] if isinstance(each, int) else each
        sizes = [1 if images is None else images[place] for place in its]
        numbers = [_numbers(classes, place) for place in its]
        labels = single.get((numbers[0], sizes[0])) if len(its) == 1 else None  # of few kinds, in many units
        if labels is None:
            labels = _counted(numbers, sizes)
            if len(its) == 1:
                single[numbers[0], sizes[0]] = labels
        units.append(Unit(tuple(its), sum(sizes), labels))
    return units


def _counted(numbers: Iterable[Iterable[int]], sizes: Iterable[int]) -> Mapping[int, int]:
    counts: dict[int, int] = {}
    for its_numbers, size in zip(numbers, sizes, strict=True):
        for number in its_numbers:
            counts[number] = counts.get(number, 0) + size
    return counts


def _numbers(strata: Sequence[int] | Sequence[tuple[int, ...]] | None, place: int) -> tuple[int, ...]:
    if strata is None:
        return ()
    label = strata[place]
    return label if isinstance(label, tuple) else (label,)


def lacking_classes(strata: Strata, places: np.ndarray, held: np.ndarray) -> set[int]:
    """Return the classes of samples of which each is held out."""
    is_held = np.zeros(int(places.max(initial=-1)) + 1, bool)
    is_held[held] = True
    return _numbers_in(strata, places) - _numbers_in(strata, places[~is_held[places]])


def _numbers_in(strata: Strata, places: np.ndarray) -> set[int]:
    if isinstance(strata, np.ndarray):
        return set(np.flatnonzero(np.bincount(strata[places])).tolist())
    labels = {strata[place] for place in places.tolist()}  # few, of many samples
    return {number for label in labels for number in label}


def shuffled(units: Sequence[Unit], seed: int) -> list[int]:
    """Return the numbers of the units in a random order."""
    return [int(number) for number in np.random.default_rng(seed).permutation(len(units))]


def totals(units: Iterable[Unit]) -> tuple[int, Counter[int], Counter[int]]:
    """Return how many images the units have, and for each class how many images and how many units have it."""
    images, of_class, holders = 0, Counter[int](), Counter[int]()
    for unit in units:
        images += unit.images
        for number, count in unit.labels.items():
            of_class[number] += count
            holders[number] += 1
    return images, of_class, holders
