"""Rows of memory-mapped arrays, read with bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tlkit.data.store.shards import release
from tlkit.system.parallel import in_threads

MAPPED_BYTES = 32e6
"""Release mapped files once this much of them is in the process's memory."""
AROUND_BYTES = 65536
"""Linux maps this much around each place that is read (Documentation/mm, fault_around_bytes)."""

_AHEAD = 2


def evenly_spaced(count: int, most: int) -> np.ndarray:
    """Return at most so many places out of ``count``, the first and the last among them: int64, ascending."""
    return np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)


def in_batches(images: Rows | np.ndarray, rows: np.ndarray, at_once: int) -> Iterator[np.ndarray]:
    """Yield some rows in their order, at most ``at_once`` at a time; a thread reads two batches ahead."""
    parts = (rows[first : first + at_once] for first in range(0, len(rows), at_once))
    return in_threads(images.__getitem__, parts, name="tlkit-feed", ahead=_AHEAD, threads=1)


class Rows:
    """Rows of several arrays, indexed as if they were one array of N rows.

    Args:
        arrays: arrays that differ in their first dimension only.
        places: int64 (N, 2): for each row, the number of its array and its row there.
    """

    def __init__(self, arrays: Sequence[np.ndarray], places: np.ndarray) -> None:
        self._arrays = arrays
        self._places = places
        self._read = 0
        self.shape = (len(places), *arrays[0].shape[1:])
        self.dtype = arrays[0].dtype
        self._row_bytes = AROUND_BYTES + arrays[0].dtype.itemsize * math.prod(self.shape[1:])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return one row for a number, or a copy of several rows for an array of numbers or a slice."""
        places = self._places[rows]
        self._read += places.size // 2 * self._row_bytes
        if self._read > MAPPED_BYTES:
            self._read = 0
            for each in self._arrays:
                release(each)
        if places.ndim == 1:
            return np.asarray(self._arrays[places[0]][places[1]])
        result = np.empty((len(places), *self.shape[1:]), self.dtype)
        for number in np.unique(places[:, 0]):
            of_array = places[:, 0] == number
            result[of_array] = self._arrays[number][places[of_array, 1]]
        return result
