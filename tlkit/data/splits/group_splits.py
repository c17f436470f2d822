"""Hold out whole groups with a share of each class, by scikit-learn's stratified k-fold over groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlkit.data.splits.group_folds import deal_groups

_MAX_FOLDS = 20
"""Enough for shares in steps of about 0.01, and quick to make."""


def hold_out_groups(
    groups: Sequence[str], share: float, strata: Sequence[int], seed: int
) -> tuple[list[int] | None, int]:
    """Choose whole groups that together have about the given share of all samples and of each class.

    The samples are dealt into n folds, of which k neighbours are held out, with k / n close to the share. Of the n
    ways to do so, take the one that leaves the most classes something to train on, then the one whose shares are
    closest to the given one. The only group of a class is never held out: nothing would be left to learn the class
    from.

    Args:
        groups: the group of each sample.
        share: the share of the samples to hold out, in 0-1.
        strata: the class of each sample.
        seed: the seed of the folds.

    Returns:
        the places of the samples to hold out, ascending, or None if there are too few groups; and how many classes are
        within a single group.
    """
    of_group, of_class = _numbers(groups), np.unique(np.asarray(strata), return_inverse=True)[1]
    lone, in_lone = _lone_classes(of_group, of_class)
    free = np.flatnonzero(~in_lone)
    classes, numbers = np.unique(of_class[free], return_inverse=True)
    its_groups, its_group = np.unique(of_group[free], return_inverse=True)
    counts = np.bincount(numbers)
    max_folds = min(_MAX_FOLDS, len(its_groups), int(counts.max(initial=0)))
    if max_folds < 2:
        return None, lone
    count, held = _fold_counts(share, max_folds)
    fold_of = deal_groups(its_group, numbers, count, seed)
    folds = [np.flatnonzero(fold_of == fold) for fold in range(count)]

    def distance(places: np.ndarray) -> tuple[int, float]:
        of_classes = np.bincount(numbers[places], minlength=len(classes)) / counts
        untrained = int((of_classes == 1).sum())
        return untrained, float(abs(len(places) / len(free) - share) + np.abs(of_classes - share).mean())

    choices = [np.concatenate([folds[(first + step) % count] for step in range(held)]) for first in range(count)]
    best = min((places for places in choices if 0 < len(places) < len(free)), key=distance)
    return free[np.sort(best)].tolist(), lone


def _fold_counts(share: float, max_folds: int) -> tuple[int, int]:
    """Return how many folds to make and to hold out; fewer folds unless more come clearly closer to the share."""
    held = {count: min(max(round(share * count), 1), count - 1) for count in range(2, max_folds + 1)}
    return min(held.items(), key=lambda each: (round(abs(each[1] / each[0] - share), 2), each[0]))


def _numbers(names: Sequence[str]) -> np.ndarray:
    """Return the number of each name in the order of the names, int64 (N,)."""
    number = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.fromiter((number[name] for name in names), np.int64, len(names))


def _lone_classes(of_group: np.ndarray, of_class: np.ndarray) -> tuple[int, np.ndarray]:
    """Return how many classes are within a single group, and which samples are in such groups, bool (N,)."""
    width = int(of_class.max()) + 1
    pairs = np.unique(of_group * width + of_class)
    lone = np.bincount(pairs % width) == 1
    groups = np.zeros(int(of_group.max()) + 1, bool)
    groups[pairs[lone[pairs % width]] // width] = True
    return int(lone.sum()), groups[of_group]
