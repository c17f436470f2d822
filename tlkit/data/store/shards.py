"""Shards: a few arrays of the same length on disk, memory-mapped. A shard is written whole or not at all."""

from __future__ import annotations

import json
import math
import mmap
import os
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.system.disk import write_atomically

MAPPED_BYTES = 32e6
"""Release mapped files once this much of them is in the process's memory."""
AROUND_BYTES = 65536
"""Linux maps this much around each place that is read (Documentation/mm, fault_around_bytes)."""


def release(values: np.ndarray) -> None:
    """Give back the memory of a memory-mapped array's pages; the next use reads them again.

    The system keeps the pages in its file cache, but they no longer count as the process's memory.
    """
    mapped = getattr(values, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


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


def write_shard(folder: Path, name: str, arrays: Mapping[str, np.ndarray], note: Mapping[str, Any]) -> None:
    """Write arrays as ``NAME-ARRAY.npy``, and last ``NAME.json``, which completes the shard.

    Args:
        folder: the folder to write to.
        name: the name of the shard.
        arrays: the arrays, by name.
        note: further contents of ``NAME.json``, besides the checksums of the arrays.

    Raises:
        OSError: a file can't be written.
    """
    sums = {}
    for key, values in arrays.items():
        values = np.ascontiguousarray(values)
        _save(folder / f"{name}-{key}.npy", values)
        sums[key] = zlib.crc32(values.reshape(-1).view(np.uint8).data)
    write_atomically(folder / f"{name}.json", json.dumps({**note, "crc32": sums}))


def read_shard(folder: Path, name: str, *, check: bool) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Return a shard's arrays, memory-mapped, and its note; None if it is missing, incomplete or damaged.

    Args:
        folder: the folder it was written to.
        name: the name of the shard.
        check: read every byte and compare the checksums.
    """
    try:
        note = json.loads((folder / f"{name}.json").read_bytes())
        arrays = {}
        for key, crc in note["crc32"].items():
            values = np.load(folder / f"{name}-{key}.npy", mmap_mode="r", allow_pickle=False)
            if check:
                actual = zlib.crc32(values.reshape(-1).view(np.uint8).data)
                release(values)
                if actual != crc:
                    return None
            arrays[key] = values
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError):
        return None
    return arrays, note


def shard_names(folder: Path) -> list[str]:
    """Return the names of a folder's complete shards, sorted."""
    return sorted(file.stem for file in folder.glob("*.json"))


def _save(file: Path, values: np.ndarray) -> None:
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.save(stream, values, allow_pickle=False)
        Path(temporary).replace(file)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
