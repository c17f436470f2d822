"""Iterative stratification: deal images with several labels so that each label is spread in proportion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlkit.data.splits.units import Unit, shuffled, totals, units_of


def deal(units: Sequence[Unit], wanted: Sequence[int], seed: int) -> np.ndarray:
    """Deal units into subsets so that each subset has its share of every label.

    The method is Algorithm 1 of Sechidis, Tsoumakas and Vlahavas 2011, "On the Stratification of Multi-Label Data":
    the label with the fewest units left comes first, and each of its units goes to the subset that lacks that label
    most. Two things are added. A subset that is full gets no more while another has room, so that subsets of single
    images have exactly the size that is wanted. Of a label, the units with the most images of it come first, so that
    large groups are dealt while all subsets have room.

    Args:
        units: what to deal.
        wanted: the number of images of each subset; together, all of them.
        seed: the seed of the order of the units and of ties.

    Returns:
        the subset of each unit, int64 (N,).
    """
    random = np.random.default_rng(seed)
    rank = {number: place for place, number in enumerate(shuffled(units, seed))}
    images, of_label, left = totals(units)
    room = [float(count) for count in wanted]
    lacking = {label: [count * part / images for part in wanted] for label, count in of_label.items()}
    holders: dict[int, list[int]] = {label: [] for label in sorted(of_label)}
    for number, unit in enumerate(units):
        for label in unit.labels:
            holders[label].append(number)
    subset_of = np.full(len(units), -1, np.int64)

    def put(number: int, label: int | None) -> None:
        unit = units[number]
        open_ = [each for each in range(len(room)) if room[each] >= unit.images] or list(range(len(room)))
        need = [(lacking[label][each] if label is not None else 0.0, room[each]) for each in open_]
        best = [each for each, its_need in zip(open_, need, strict=True) if its_need == max(need)]
        chosen = best[0] if len(best) == 1 else best[int(random.integers(len(best)))]
        subset_of[number] = chosen
        room[chosen] -= unit.images
        for each, count in unit.labels.items():
            lacking[each][chosen] -= count
            left[each] -= 1

    while waiting := [label for label in holders if left[label]]:
        rarest = min(waiting, key=lambda label: left[label])
        its_units = [number for number in holders[rarest] if subset_of[number] < 0]
        for number in sorted(its_units, key=lambda each: (-units[each].labels[rarest], rank[each])):
            put(number, rarest)
    rest = [number for number in range(len(units)) if subset_of[number] < 0]
    for number in sorted(rest, key=lambda each: (-units[each].images, rank[each])):
        put(number, None)
    return subset_of


def deal_folds(strata: Sequence[tuple[int, ...]], groups: np.ndarray, count: int, seed: int) -> list[list[int]]:
    """Deal samples with several labels into folds of nearly equal size, in whole groups.

    Args:
        strata: the labels of each sample, in the order of the samples' keys.
        groups: the group of each sample, as ``numbered_groups`` returns them.
        count: the number of folds; at most the number of groups.
        seed: the recipe's seed.

    Returns:
        for each fold, the places of its samples, ascending.
    """
    units = units_of(np.arange(len(strata)), strata, groups)
    larger = len(strata) % count
    subset_of = deal(units, [len(strata) // count + (fold < larger) for fold in range(count)], seed)
    for fold in range(count):
        if not (subset_of == fold).any():
            # Large groups have filled the others: take the smallest unit of the fold that has the most.
            fullest = np.bincount(subset_of, minlength=count).argmax()
            subset_of[min(np.flatnonzero(subset_of == fullest), key=lambda number: units[number].images)] = fold
    return [
        sorted(place for number in np.flatnonzero(subset_of == fold) for place in units[number].places)
        for fold in range(count)
    ]
