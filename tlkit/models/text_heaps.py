"""Checking the global heaps of an HDF5 file, in which texts of variable length stand, before HDF5 reads them.

HDF5 believes the sizes in a heap: one damaged size can keep it in an endless loop, and a list may name one long text
many times. The layout is that of the HDF5 File Format Specification 3.0, section III.E, "Disk Format: Level 1E - Global
Heap".
"""

from __future__ import annotations

import mmap
from pathlib import Path

from tlkit.models.allowed import NotAllowed

_BEGIN = b"GCOL\x01"
"""The signature of a heap and its version."""
_HEADER = 16
"""The size of the header of a heap, and of that of each object in it: index, references, reserved, size."""


def largest_text(path: Path) -> int:
    """Return the size in bytes of the largest object in the global heaps of a file.

    Raises:
        NotAllowed: a heap is not as HDF5 writes it.
        OSError: the file can't be read.
    """
    largest = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(_BEGIN)
        while start >= 0:
            largest = max(largest, _largest_in(content, start))
            start = content.find(_BEGIN, start + 1)
    return largest


def _largest_in(content: mmap.mmap, start: int) -> int:
    end = start + _number(content, start + 8, 8)
    if not start + _HEADER <= end <= len(content):
        raise NotAllowed(f"the heap of texts at byte {start} claims {end - start} bytes")
    place, largest = start + _HEADER, 0
    while place + _HEADER <= end:  # a shorter rest is unused
        index, size = _number(content, place, 2), _number(content, place + 8, 8)
        # Free space has the index 0, and its size includes its header.
        step = _HEADER + (size + 7) // 8 * 8 if index else size
        if step < _HEADER or place + step > end:
            raise NotAllowed(f"the heap of texts at byte {start} has an object of {size} bytes at byte {place}")
        largest = max(largest, size if index else 0)
        place += step
    return largest


def _number(content: mmap.mmap, place: int, size: int) -> int:
    return int.from_bytes(content[place : place + size], "little")
