"""What a split is drawn of: single images, or several that stay together, with their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Strata = Sequence[int] | Sequence[tuple[int, ...]]
"""The class of each sample; in a multi-label data set its classes."""


def is_multi_label(strata: Strata | None) -> bool:
    """Return whether each sample has any number of classes."""
    return bool(strata) and strata is not None and isinstance(strata[0], tuple)


@dataclass(frozen=True)
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
    places: Sequence[int], strata: Strata | None, groups: Sequence[str | None], files: Sequence[int] | None = None
) -> list[Unit]:
    """Return one unit for each group, and for each sample without one, in the order of their first samples.

    Args:
        places: the places of the samples.
        strata: the class, or the classes, of each sample; None: none.
        groups: the group of each sample; None: in no group.
        files: how many images each sample represents; None: one each.
    """
    members: dict[object, list[int]] = {}
    for place in places:
        group = groups[place]
        members.setdefault(place if group is None else group, []).append(place)
    units = []
    for each in members.values():
        labels: dict[int, int] = {}
        for place in each:
            for number in _numbers(strata, place):
                labels[number] = labels.get(number, 0) + (1 if files is None else files[place])
        images = len(each) if files is None else sum(files[place] for place in each)
        units.append(Unit(tuple(each), images, labels))
    return units


def _numbers(strata: Strata | None, place: int) -> tuple[int, ...]:
    if strata is None:
        return ()
    label = strata[place]
    return label if isinstance(label, tuple) else (label,)


def lacking_classes(strata: Strata, places: Sequence[int], held: Collection[int]) -> set[int]:
    """Return the classes of samples of which each is held out."""
    classes = {number for place in places for number in _numbers(strata, place)}
    return classes - {number for place in places if place not in held for number in _numbers(strata, place)}


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
