"""Iterative stratification: deal images with several labels so that each label is spread in proportion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlkit.data.splits.units import Lists, Units, shuffled, units_of


def deal(units: Units, wanted: Sequence[int], seed: int) -> np.ndarray:
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
        the subset of each unit, int32 (U,).
    """
    rank = shuffled(units, seed)
    dealer = _Dealer(units, wanted, seed)
    holders = Lists.of(units.labels.numbers, units.labels.owners(), units.width)
    # The images that those have of the label, in the same order.
    images = Lists.of(units.labels.numbers, units.counts, units.width)
    while waiting := [label for label, left in enumerate(dealer.left) if left]:
        rarest = min(waiting, key=dealer.left.__getitem__)
        its_units, its_images = holders[rarest], images[rarest]
        free = dealer.subset_of[its_units] < 0
        its_units, its_images = its_units[free], its_images[free]
        for number in its_units[np.lexsort((rank[its_units], -its_images))].tolist():
            dealer.put(number, rarest)
    others = np.flatnonzero(dealer.subset_of < 0)
    for number in others[np.lexsort((rank[others], -units.images[others]))].tolist():
        dealer.put(number, None)
    return dealer.subset_of


class _Dealer:
    """Puts units into subsets, one by one.

    Args:
        units, wanted, seed: as of ``deal``.

    Attributes:
        subset_of: the subset of each unit, int32 (U,); -1: none yet.
        left: how many units that have each label are in none.
    """

    def __init__(self, units: Units, wanted: Sequence[int], seed: int) -> None:
        self._units = units
        self._random = np.random.default_rng(seed)
        self._room = [float(count) for count in wanted]
        images = int(units.images.sum())
        of_label = np.zeros(units.width, np.int64)
        np.add.at(of_label, units.labels.numbers, units.counts)
        self._lacking = [[count * part / images for part in wanted] for count in of_label.tolist()]
        self.subset_of = np.full(len(units), -1, np.int32)
        self.left: list[int] = units.holders().tolist()

    def put(self, number: int, label: int | None) -> None:
        """Put a unit into the subset that lacks a label, or else images, most."""
        room, labels = self._room, self._units.labels
        images = int(self._units.images[number])
        open_ = [each for each in range(len(room)) if room[each] >= images] or list(range(len(room)))
        need = [(self._lacking[label][each] if label is not None else 0.0, room[each]) for each in open_]
        best = [each for each, its_need in zip(open_, need, strict=True) if its_need == max(need)]
        chosen = best[0] if len(best) == 1 else best[int(self._random.integers(len(best)))]
        self.subset_of[number] = chosen
        room[chosen] -= images
        its = slice(labels.starts[number], labels.starts[number + 1])
        for each, count in zip(labels.numbers[its].tolist(), self._units.counts[its].tolist(), strict=True):
            self._lacking[each][chosen] -= count
            self.left[each] -= 1


def deal_folds(strata: Sequence[tuple[int, ...]], groups: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
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
            fullest = np.flatnonzero(subset_of == np.bincount(subset_of, minlength=count).argmax())
            subset_of[fullest[units.images[fullest].argmin()]] = fold
    return [units.places_of(subset_of == fold) for fold in range(count)]
