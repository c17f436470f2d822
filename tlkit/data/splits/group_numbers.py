"""Number groups in the order of their names, on which the draws of splits depend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NONE = -1
"""The number of the group of a sample that is in none."""


def numbered_groups(groups: Sequence[str | None]) -> np.ndarray:
    """Return the number of each sample's group, int32 (N,): ascending as the names, 0 of an empty name; or ``NONE``."""
    numbers: dict[str | None, int] = {name: place for place, name in enumerate(sorted({*groups, ""} - {None}))}  # type: ignore[type-var]
    numbers[None] = NONE
    return np.fromiter(map(numbers.__getitem__, groups), np.int32, len(groups))


def with_own_groups(groups: np.ndarray, *, by_digits: bool = False) -> np.ndarray:
    """Return the groups with one for each sample that is in none, numbered from 0 without gaps, int32 (N,).

    The new groups stand after a group with an empty name and before all others, as if their names were ``NUL`` and the
    place of the sample.

    Args:
        groups: the group of each sample, as ``numbered_groups`` returns them; in the order of the samples' keys.
        by_digits: whether the places are ordered as texts, 10 before 2, rather than as numbers.
    """
    alone = np.flatnonzero(groups == NONE)
    if not len(alone):
        return without_gaps(groups)
    numbers = np.where(groups > 0, groups + len(alone), groups).astype(np.int32, copy=False)
    if by_digits:
        rank = np.empty(len(alone), np.int32)
        rank[np.argsort(_as_texts(alone), kind="stable")] = np.arange(len(alone), dtype=np.int32)
        numbers[alone] = 1 + rank
    else:
        numbers[alone] = np.arange(1, len(alone) + 1, dtype=np.int32)
    return without_gaps(numbers)


def _as_texts(numbers: np.ndarray) -> np.ndarray:
    """Return numbers that are ordered as the decimal digits of others are as texts."""
    powers = 10 ** np.arange(1, 19)
    digits = 1 + np.searchsorted(powers, numbers, side="right")
    widest = int(digits.max())
    texts: np.ndarray = numbers * 10 ** (widest - digits) * 32 + digits
    return texts


def without_gaps(numbers: np.ndarray) -> np.ndarray:
    """Return numbers from 0 without gaps that are ordered as the given ones, which are not negative; int32 (N,)."""
    there = np.zeros(int(numbers.max(initial=-1)) + 1, bool)
    there[numbers] = True
    ranks = np.cumsum(there, dtype=np.int32)
    ranks -= 1
    ranked: np.ndarray = ranks[numbers]
    return ranked
