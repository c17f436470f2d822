"""What a split is drawn of: single images, or several that stay together, with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from tlkit.data.splits.group_numbers import NONE

Strata = np.ndarray | Sequence[tuple[int, ...]]
"""The class of each sample, int32 (N,); in a multi-label data set its classes."""


@dataclass(frozen=True)
class Lists:
    """Lists of numbers, one after the other.

    Args:
        starts: where each begins, and the end of the last; int64 (n + 1,).
        numbers: int32.
    """

    starts: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, owners: np.ndarray, numbers: np.ndarray, count: int) -> Lists:
        """Return the lists of so many owners, each with its numbers in the order given."""
        order = np.argsort(owners, kind="stable")
        starts = np.zeros(count + 1, np.int64)
        np.cumsum(np.bincount(owners, minlength=count), out=starts[1:])
        return cls(starts, numbers[order].astype(np.int32, copy=False))

    def __getitem__(self, number: int) -> np.ndarray:
        return self.numbers[self.starts[number] : self.starts[number + 1]]

    def owners(self) -> np.ndarray:
        """Return the list that each number is in, int32."""
        lengths = np.diff(self.starts)
        return np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)


@dataclass(frozen=True)
class Units:
    """Units of samples, each of which stays in one split: U of them.

    Args:
        places: the places of the samples of each.
        images: how many images each represents, int64 (U,).
        labels: the classes that each has, ascending.
        counts: how many of its images have each of them, as ``labels.numbers``; int64.
    """

    places: Lists
    images: np.ndarray
    labels: Lists
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def holders(self, of: np.ndarray | None = None) -> np.ndarray:
        """Return how many units, of those that are marked in ``of``, bool (U,), have each class; int64 (classes,)."""
        numbers = self.labels.numbers if of is None else self.labels.numbers[of[self.labels.owners()]]
        return np.bincount(numbers, minlength=self.width)

    @property
    def width(self) -> int:
        """The highest class number and one."""
        return int(self.labels.numbers.max(initial=-1)) + 1

    def places_of(self, chosen: np.ndarray) -> np.ndarray:
        """Return the places of the samples of the units that are marked in ``chosen``, bool (U,), ascending; int32."""
        return np.sort(self.places.numbers[chosen[self.places.owners()]])


def units_of(places: np.ndarray, strata: Strata | None, groups: np.ndarray, files: np.ndarray | None = None) -> Units:
    """Return one unit for each group, and for each sample without one, in the order of their first samples.

    Args:
        places: the places of the samples.
        strata: the class, or the classes, of each sample; None: none.
        groups: the group of each sample, as ``numbered_groups`` returns them.
        files: how many images each sample represents; None: one each.
    """
    unit_of = _in_order(groups[places])
    count = int(unit_of.max(initial=-1)) + 1
    sizes = np.ones(len(places), np.int64) if files is None else files[places]
    owners, numbers, weights = unit_of, np.zeros(0, np.int32), sizes
    if isinstance(strata, np.ndarray):
        numbers = strata[places]
    elif strata is not None:
        its = [strata[place] for place in places.tolist()]
        lengths = np.fromiter(map(len, its), np.int64, len(its))
        numbers = np.fromiter(chain.from_iterable(its), np.int32, int(lengths.sum()))
        owners, weights = np.repeat(unit_of, lengths), np.repeat(sizes, lengths)
    else:
        owners = weights = numbers
    width = int(numbers.max(initial=-1)) + 1
    pairs, entry_of = np.unique(owners.astype(np.int64) * max(width, 1) + numbers, return_inverse=True)
    counts = np.zeros(len(pairs), np.int64)
    np.add.at(counts, entry_of, weights)
    labels = Lists.of((pairs // max(width, 1)).astype(np.int32), (pairs % max(width, 1)).astype(np.int32), count)
    images = np.zeros(count, np.int64)
    np.add.at(images, unit_of, sizes)
    return Units(Lists.of(unit_of, places, count), images, labels, counts)


def _in_order(groups: np.ndarray) -> np.ndarray:
    """Return the number of each sample's unit, in the order of their first samples; int32."""
    alone = groups == NONE
    first = np.arange(len(groups), dtype=np.int32)
    of_group = np.empty(int(groups.max(initial=NONE)) + 1, np.int32)
    grouped = np.flatnonzero(~alone)[::-1]
    of_group[groups[grouped]] = grouped
    first[~alone] = of_group[groups[~alone]]
    numbers = np.cumsum(first == np.arange(len(groups)), dtype=np.int32) - 1
    ordered: np.ndarray = numbers[first]
    return ordered


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


def shuffled(units: Units, seed: int) -> np.ndarray:
    """Return the rank of each unit in a random order, int32 (U,)."""
    rank = np.empty(len(units), np.int32)
    rank[np.random.default_rng(seed).permutation(len(units))] = np.arange(len(units), dtype=np.int32)
    return rank
