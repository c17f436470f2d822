"""Deal whole groups into folds with a share of each class, as scikit-learn's ``StratifiedGroupKFold`` does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_sum = np.add.reduce
_TOGETHER = 500_000
"""How many counts of images, a group's of a class, are in memory at a time."""


def deal_groups(groups: np.ndarray, strata: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each sample, int64 (N,): number by number that of scikit-learn 1.9's ``StratifiedGroupKFold``.

    scikit-learn keeps how many images each group has of each class, and compares all classes for each group and fold: 8
    GB and days for a million groups of a thousand classes. Here only the classes that a group has are looked at.

    Args:
        groups: the number of each sample's group, of all from 0, in the order of their names; int (N,).
        strata: the number of each sample's class, of all from 0; int (N,).
        folds: how many folds to make; at most the number of groups.
        seed: the seed of the order of the groups.
    """
    counts = _Counts.of(groups, strata)
    order = np.arange(counts.groups)
    np.random.RandomState(seed).shuffle(order)
    order = order[np.argsort(-counts.unevenness(order), kind="stable")]
    dealer = _Dealer(folds, np.bincount(strata))
    fold_of = np.empty(counts.groups, np.int64)
    starts, classes, images = counts.starts, counts.classes, counts.images
    for group in order.tolist():
        its = slice(starts[group], starts[group + 1])
        fold_of[group] = dealer.deal(classes[its], images[its])
    dealt: np.ndarray = fold_of[groups]
    return dealt


@dataclass(frozen=True)
class _Counts:
    """How many images each group has of each class, without the classes of which it has none.

    Args:
        starts: where the entries of each group begin, and the end of the last; int64 (G + 1,).
        classes: the class of each entry, ascending in a group.
        images: how many images the entry stands for, float64.
        width: the number of classes.
    """

    starts: np.ndarray
    classes: np.ndarray
    images: np.ndarray
    width: int

    @classmethod
    def of(cls, groups: np.ndarray, strata: np.ndarray) -> _Counts:
        width = int(strata.max()) + 1
        pairs, images = np.unique(groups.astype(np.int64) * width + strata, return_counts=True)
        starts = np.searchsorted(pairs, np.arange(int(groups.max()) + 2) * width)
        return cls(starts, pairs % width, images.astype(np.float64), width)

    @property
    def groups(self) -> int:
        """The number of groups."""
        return len(self.starts) - 1

    def unevenness(self, order: np.ndarray) -> np.ndarray:
        """Return the standard deviation of the counts of each group over all classes, in an order of the groups."""
        together = max(1, _TOGETHER // self.width)
        return np.concatenate(
            [self._of_these(order[first : first + together]) for first in range(0, len(order), together)]
        )

    def _of_these(self, groups: np.ndarray) -> np.ndarray:
        lengths = self.starts[groups + 1] - self.starts[groups]
        rows = np.repeat(np.arange(len(groups)), lengths)
        ends = np.cumsum(lengths)
        entries = np.arange(len(rows)) + np.repeat(self.starts[groups] - (ends - lengths), lengths)
        table = np.zeros((len(groups), self.width))
        table[rows, self.classes[entries]] = self.images[entries]
        spread: np.ndarray = table.std(axis=1)
        return spread


class _Dealer:
    """Deals groups to the folds in which each makes the classes most even; of equal folds, to the smallest.

    Args:
        folds: the number of folds.
        totals: how many images each class has, (classes,).
    """

    def __init__(self, folds: int, totals: np.ndarray) -> None:
        self._folds, self._totals = folds, totals
        self._held = np.zeros((folds, len(totals)))
        self._images = [0.0] * folds
        self._spreads = np.zeros((folds, len(totals)))
        """How uneven each class would be if the group came to each fold, (folds, classes)."""
        self._own = np.eye(folds)[..., None]

    def deal(self, classes: np.ndarray, images: np.ndarray) -> int:
        """Return the fold that a group comes to.

        Args:
            classes: the classes that it has.
            images: how many of each.
        """
        # (folds, fold tried, classes)
        tried = self._held.take(classes, 1)[:, None] + self._own * images
        tried /= self._totals.take(classes)
        spreads = self._spread(tried)
        self._spreads[:, classes] = spreads
        chosen = self._best((_sum(self._spreads, 1) / len(self._totals)).tolist())
        self._spreads[:, classes] = spreads[chosen]
        self._held[chosen, classes] += images
        self._images[chosen] += float(_sum(images))
        return chosen

    def _spread(self, shares: np.ndarray) -> np.ndarray:
        """Return the standard deviation over the folds, added up in the order in which NumPy would."""
        if len(self._totals) == 1:
            spread: np.ndarray = np.ascontiguousarray(shares[..., 0].T).std(axis=1)
            return spread[:, None]
        shares -= _sum(shares, 0) / self._folds
        shares *= shares
        uneven: np.ndarray = np.sqrt(_sum(shares, 0) / self._folds)
        return uneven

    def _best(self, spreads: list[float]) -> int:
        best, least, fewest = 0, float("inf"), float("inf")
        for fold, (spread, images) in enumerate(zip(spreads, self._images, strict=True)):
            alike = abs(spread - least) <= 1e-8 + 1e-5 * abs(least)  # numpy.isclose
            if spread < least or (alike and images < fewest):
                best, least, fewest = fold, spread, images
        return best
