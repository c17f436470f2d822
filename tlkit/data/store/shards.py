"""Shards: a few arrays of the same length on disk, memory-mapped, each shard written whole or not at all."""

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
"""Of mapped files that may stand in the process's memory before they are released."""
AROUND_BYTES = 65536
"""What Linux maps around each place that is read (Documentation/mm, fault_around_bytes)."""


def release(values: np.ndarray) -> None:
    """Give back the memory that a memory-mapped array's pages take; they are read again where they are used again.

    The system keeps them in its own cache of files, but they no longer count as the process's.
    """
    mapped = getattr(values, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


class Rows:
    """Rows that lie in several arrays, read as if they were one.

    Args:
        arrays: of the same shape but for their first dimension.
        places: int64 (N, 2), the array and the row in it of each row.
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
        """A row for a number; a copy of several for an array of numbers or a slice."""
        places = self._places[rows]
        self._read += places.size // 2 * self._row_bytes
        if self._read > MAPPED_BYTES:
            self._read = 0
            for each in self._arrays:
                release(each)
        if places.ndim == 1:
            return np.asarray(self._arrays[places[0]][places[1]])
        found = np.empty((len(places), *self.shape[1:]), self.dtype)
        for number in np.unique(places[:, 0]):
            here = places[:, 0] == number
            found[here] = self._arrays[number][places[here, 1]]
        return found


def write_shard(folder: Path, name: str, arrays: Mapping[str, np.ndarray], note: Mapping[str, Any]) -> None:
    """Write arrays as ``NAME-ARRAY.npy``, and last ``NAME.json``, without which they count for nothing.

    Raises:
        OSError: they can't be written.
    """
    sums = {}
    for key, values in arrays.items():
        values = np.ascontiguousarray(values)
        _save(folder / f"{name}-{key}.npy", values)
        sums[key] = zlib.crc32(values.reshape(-1).view(np.uint8).data)
    write_atomically(folder / f"{name}.json", json.dumps({**note, "crc32": sums}))


def read_shard(folder: Path, name: str, *, check: bool) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """A shard's arrays, memory-mapped, and its note; None when it is not there or not whole.

    Args:
        folder: where it was written.
        name: of the shard.
        check: whether to read every byte and compare with what was written.
    """
    try:
        note = json.loads((folder / f"{name}.json").read_bytes())
        found = {}
        for key, crc in note["crc32"].items():
            values = np.load(folder / f"{name}-{key}.npy", mmap_mode="r", allow_pickle=False)
            if check:
                found_crc = zlib.crc32(values.reshape(-1).view(np.uint8).data)
                release(values)
                if found_crc != crc:
                    return None
            found[key] = values
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError):
        return None
    return found, note


def shard_names(folder: Path) -> list[str]:
    """The shards of a folder."""
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
