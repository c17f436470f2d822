"""Checking the weights of a model file: plain arrays, stored in the file itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from tlkit.models.allowed import NotAllowed

_MAX_DEPTH = 60


def count_elements(path: Path) -> int:
    """Return how many elements the arrays of an HDF5 file have in all.

    Raises:
        NotAllowed: it holds something other than plain arrays, or claims more elements than it has bytes.
        OSError: it can't be read.
    """
    elements = 0
    with h5py.File(path, "r") as file:
        for name, item in _items(file, "", 0):
            if isinstance(item, h5py.Dataset):
                plain = item.dtype.kind in "fiub" and not item.is_virtual and not item.external
                if not plain or item.compression is not None or item.chunks is not None:
                    raise NotAllowed(f"the weights' {name} is not a plain array")
                elements += item.size
    if elements > path.stat().st_size:
        raise NotAllowed("the weights claim more elements than the file has bytes")
    return elements


def check_self_contained(path: Path) -> None:
    """Check that reading an HDF5 file reads no other file.

    Raises:
        NotAllowed: it has links, or arrays that are stored in another file.
        OSError: it can't be read.
    """
    with h5py.File(path, "r") as file:
        for name, item in _items(file, "", 0):
            if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
                raise NotAllowed(f"the weights' {name} is stored in another file")


def _items(group: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield every array and group below a group with its path; links are refused before they are followed."""
    if depth > _MAX_DEPTH:
        raise NotAllowed(f"the weights are nested more than {_MAX_DEPTH} deep")
    for name in group:
        where = f"{path}/{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise NotAllowed(f"the weights' {where[:120]} is a link")
        item = group[name]
        yield where, item
        if isinstance(item, h5py.Group):
            yield from _items(item, where, depth + 1)
