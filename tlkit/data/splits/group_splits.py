"""Hold out whole groups with a share of each class, by scikit-learn's stratified k-fold over groups."""

from __future__ import annotations

import numpy as np

from tlkit.data.splits.group_folds import deal_groups
from tlkit.data.splits.group_numbers import without_gaps

_MAX_FOLDS = 20
"""Enough for shares in steps of about 0.01, and quick to make."""


def hold_out_groups(
    of_group: np.ndarray, share: float, of_class: np.ndarray, seed: int
) -> tuple[np.ndarray | None, int]:
    """Choose whole groups that together have about the given share of all samples and of each class.

    The samples are dealt into n folds, of which k neighbours are held out, with k / n close to the share. Of the n
    ways to do so, take the one that leaves the most classes something to train on, then the one whose shares are
    closest to the given one. The only group of a class is never held out: nothing would be left to learn the class
    from.

    Args:
        of_group: the group of each sample, numbered from 0 in the order of their names.
        share: the share of the samples to hold out, in 0-1.
        of_class: the class of each sample.
        seed: the seed of the folds.

    Returns:
        the places of the samples to hold out, ascending, or None if there are too few groups; and how many classes are
        within a single group.
    """
    lone, in_lone = _lone_classes(of_group, of_class)
    free = np.flatnonzero(~in_lone).astype(np.int32)
    numbers, its_group = without_gaps(of_class[free]), without_gaps(of_group[free])
    counts = np.bincount(numbers)
    max_folds = min(_MAX_FOLDS, int(its_group.max(initial=-1)) + 1, int(counts.max(initial=0)))
    if max_folds < 2:
        return None, lone
    count, held = _fold_counts(share, max_folds)
    fold_of = deal_groups(its_group, numbers, count, seed)
    in_fold = np.bincount(fold_of * len(counts) + numbers, minlength=count * len(counts)).reshape(count, len(counts))

    def folds_from(first: int) -> list[int]:
        return [(first + step) % count for step in range(held)]

    def distance(first: int) -> tuple[int, float]:
        images = in_fold[folds_from(first)].sum(0)
        shares = images / counts
        untrained = int((shares == 1).sum())
        return untrained, float(abs(int(images.sum()) / len(free) - share) + np.abs(shares - share).mean())

    some = [first for first in range(count) if 0 < in_fold[folds_from(first)].sum() < len(free)]
    return free[np.isin(fold_of, folds_from(min(some, key=distance)))], lone


def _fold_counts(share: float, max_folds: int) -> tuple[int, int]:
    """Return how many folds to make and to hold out; fewer folds unless more come clearly closer to the share."""
    held = {count: min(max(round(share * count), 1), count - 1) for count in range(2, max_folds + 1)}
    return min(held.items(), key=lambda each: (round(abs(each[1] / each[0] - share), 2), each[0]))


def _lone_classes(of_group: np.ndarray, of_class: np.ndarray) -> tuple[int, np.ndarray]:
    """Return how many classes are within a single group, and which samples are in such groups, bool (N,)."""
    width = int(of_class.max()) + 1
    pairs = np.unique(of_group.astype(np.int64) * width + of_class)
    lone = np.bincount(pairs % width) == 1
    groups = np.zeros(int(of_group.max()) + 1, bool)
    groups[pairs[lone[pairs % width]] // width] = True
    return int(lone.sum()), groups[of_group]
