"""The split of each of many samples, at one byte a sample: an array of texts takes forty."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, overload

import numpy as np

_NAMES = ("train", "validation", "test", "left out")
"""Their places are their numbers."""
_NUMBERS = {name: number for number, name in enumerate(_NAMES)}
_CHUNK = 10_000
"""How many numbers are turned into texts at a time."""


class SplitColumn:
    """The split of each sample, N of them; it compares and is indexed as an array of texts is.

    Args:
        numbers: for each sample, the place of its split in ``_NAMES``, uint8 (N,).
    """

    __slots__ = ("_numbers",)

    def __init__(self, numbers: np.ndarray) -> None:
        self._numbers = numbers

    @classmethod
    def of(cls, names: Iterable[str]) -> SplitColumn:
        """Return the column of some texts.

        Raises:
            KeyError: one of them is no split.
        """
        return cls(np.fromiter(map(_NUMBERS.__getitem__, names), np.uint8))

    @classmethod
    def named(cls, names: tuple[str, ...], numbers: np.ndarray) -> SplitColumn:
        """Return the column of numbers that are places in ``names``, int (N,)."""
        return cls(np.array([_NUMBERS[name] for name in names], np.uint8)[numbers])

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _CHUNK):
            yield from map(_NAMES.__getitem__, self._numbers[first : first + _CHUNK].tolist())

    def tolist(self) -> list[str]:
        """Return the splits as a list of texts."""
        return list(self)

    @overload
    def __getitem__(self, row: int | np.integer) -> str: ...
    @overload
    def __getitem__(self, row: slice | np.ndarray | list[int]) -> SplitColumn: ...
    def __getitem__(self, row: Any) -> str | SplitColumn:
        found = self._numbers[row]
        return SplitColumn(found) if isinstance(found, np.ndarray) else _NAMES[found]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the splits as an array of texts, str (N,)."""
        texts: np.ndarray = np.array(_NAMES)[self._numbers].astype(dtype or "U10", copy=False)
        return texts

    def __eq__(self, other: object) -> np.ndarray:  # type: ignore[override]
        """Return where the split is one of that name, or that of another column: bool (N,)."""
        if isinstance(other, str):
            return np.asarray(self._numbers == _NUMBERS[other]) if other in _NUMBERS else np.zeros(len(self), bool)
        return np.asarray(self._numbers == other._numbers) if isinstance(other, SplitColumn) else NotImplemented

    def __ne__(self, other: object) -> np.ndarray:  # type: ignore[override]
        """Return where ``==`` is False."""
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else ~equal

    __hash__ = None  # type: ignore[assignment]

    def among(self, names: Collection[str]) -> np.ndarray:
        """Return where the split is one of these, bool (N,)."""
        wanted = np.array([name in names for name in _NAMES])
        return np.asarray(wanted[self._numbers])

    def changed(self, *changes: tuple[np.ndarray, str]) -> SplitColumn:
        """Return the column with other splits.

        Args:
            changes: where, bool (N,), and the split there; of several, the last counts.
        """
        numbers = self._numbers.copy()
        for where, name in changes:
            numbers[where] = _NUMBERS[name]
        return SplitColumn(numbers)

    def counts(self) -> dict[str, int]:
        """Return split → number of samples, of the splits that there are, in the order in which they come first."""
        numbers, first = np.unique(self._numbers, return_index=True)
        counts = np.bincount(self._numbers)
        return {_NAMES[number]: int(counts[number]) for number in numbers[np.argsort(first)].tolist()}
