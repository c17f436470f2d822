"""Draw samples at random, as scikit-learn's ``train_test_split`` does, without the second that importing it takes."""

from __future__ import annotations

import numpy as np

from tlkit.data.splits.group_numbers import without_gaps


def draw(count: int, held: int, seed: int, strata: np.ndarray | None = None) -> np.ndarray:
    """Return the places that ``train_test_split(range(count), ...)`` returns second.

    The draws are those of scikit-learn's ``ShuffleSplit`` and ``StratifiedShuffleSplit``, number by number, so that
    each seed gives the split that it always gave.

    Args:
        count: the number of samples.
        held: how many of them to draw; at least one is left.
        seed: the seed.
        strata: the class of each sample, int (N,), of each at least two; None: don't stratify.
    """
    random = np.random.RandomState(seed)
    if strata is None:
        return random.permutation(count)[:held]
    numbers = without_gaps(strata)
    counts = np.bincount(numbers)
    members = np.split(np.argsort(numbers, kind="stable").astype(np.int32), np.cumsum(counts)[:-1])
    left = _shares(counts, count - held, random)
    drawn = _shares(counts - left, held, random)
    trained, chosen = [], []
    for places, first, second in zip(members, left, drawn, strict=True):
        shuffled = places[random.permutation(len(places))]
        trained.append(shuffled[:first])
        chosen.append(shuffled[first : first + second])
    random.permutation(np.concatenate(trained))  # scikit-learn shuffles the others first
    return random.permutation(np.concatenate(chosen))


def _shares(counts: np.ndarray, total: int, random: np.random.RandomState) -> np.ndarray:
    """Deal out a total to classes in proportion to their counts; equal remainders are dealt out at random."""
    exact = counts / counts.sum() * total
    shares = np.floor(exact)
    remainders = exact - shares
    lacking = int(total - shares.sum())
    for value in np.unique(remainders)[::-1]:
        if lacking <= 0:
            break
        alike = np.flatnonzero(remainders == value)
        chosen = random.choice(alike, size=min(len(alike), lacking), replace=False)
        shares[chosen] += 1
        lacking -= len(chosen)
    dealt: np.ndarray = shares.astype(int)
    return dealt
