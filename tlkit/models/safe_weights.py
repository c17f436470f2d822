"""Checking the structure of an HDF5 file of weights before anything in it is believed: arrays in the file itself.

An HDF5 file is a graph. Here each group and array is reached by one hard link, as Keras writes them, so that the walk
ends after as many steps as there are objects. Everything that leads elsewhere or that Keras does not write is refused:
other kinds of links, arrays stored in or composed from other places, named data types, references, texts and compound
values as arrays, attributes other than texts and numbers, and filters that need code which is not part of HDF5.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import h5py

from tlkit.models.allowed import NotAllowed

MAX_OBJECTS = 100_000
"""Groups and arrays in a file; the largest network of keras.applications has 4,000."""
MAX_ATTRIBUTES = 1_000
"""Attributes of one object. Keras splits long lists of names into attributes of 64 kB."""
MAX_TEXTS = 4_096
"""Texts of variable length in one attribute: as many as HDF5 stores in an object's header."""
MAX_CHUNKS = 1_000_000
"""Pieces of an array that is stored in pieces."""
_MAX_DEPTH = 60
_MAX_PATH = 10_000
_SPARE_CHUNK_BYTES = 2**24
"""A piece may be larger than its array by this much: HDF5 chooses its size for arrays that may grow."""
_CHECKSUM_BYTES = 4
_FILTERS = frozenset((h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32))

_ATTRIBUTE_TYPES = (
    h5py.h5t.TypeStringID,
    h5py.h5t.TypeIntegerID,
    h5py.h5t.TypeFloatID,
    h5py.h5t.TypeEnumID,  # a bool of h5py
)

HDF5_ERRORS = (KeyError, ValueError, TypeError, RuntimeError, NotImplementedError, OverflowError, AttributeError)
"""What h5py raises besides OSError where a file is damaged."""


def count_elements(path: Path) -> int:
    """Return how many elements the arrays of a model file's weights have in all.

    Args:
        path: the ``model.weights.h5`` of a model file.

    Raises:
        NotAllowed: it holds something other than plain arrays, or claims more than it has bytes.
        OSError: it can't be read.
    """
    with h5py.File(path, "r") as file:
        if file.userblock_size:
            raise NotAllowed("the weights have a user block before them, which Keras does not write")
        elements = 0
        for name, array in arrays(file, path.stat().st_size, max_texts=1):
            if array.chunks is not None:
                raise NotAllowed(f"the weights' {name} is not a plain array")
            # Keras reads the attribute "dtype" of an array, and HDF5 may not end reading a text in a damaged file.
            if len(array.attrs):
                raise NotAllowed(f"the weights' {name} has attributes, which Keras does not write for such an array")
            elements += array.size
        return elements


def arrays(file: Any, size: int, *, max_texts: int = MAX_TEXTS) -> Iterator[tuple[str, Any]]:
    """Yield every array of a file with its path, after checking it and the groups above it.

    Args:
        file: the opened ``h5py.File``.
        size: the size of the file in bytes.
        max_texts: how many texts of variable length an attribute may have. One text may be listed many times, so
            that a list of them can be larger than the file.

    Raises:
        NotAllowed: there is something other than groups, arrays of numbers and plain attributes; an object is linked
            twice; or there are too many of them, or more bytes than the file has.
        OSError: the file is damaged; likewise ``HDF5_ERRORS``.
    """
    if file.id.get_create_plist().get_sizes() != (8, 8):
        raise NotAllowed("the weights have addresses and lengths of another size than 8 bytes")
    left = size
    seen = {_address(file.id)}
    left -= _attribute_bytes(file.id, "/", max_texts)
    waiting: list[tuple[str, Any, int]] = [("", h5py.h5g.open(file.id, b"/"), 1)]
    while waiting:
        path, group, depth = waiting.pop()
        for link in _links(group, path, MAX_OBJECTS - len(seen)):
            where = f"{path}/{_text(link)}"
            item = h5py.h5o.open(group, link)
            address = _address(item)
            if address in seen:
                raise NotAllowed(f"the weights' {_short(where)} is linked twice")
            seen.add(address)
            if isinstance(item, h5py.h5g.GroupID):
                if depth > _MAX_DEPTH or len(where) > _MAX_PATH:
                    raise NotAllowed(f"the weights are nested more than {_MAX_DEPTH} deep")
                waiting.append((where, item, depth + 1))
            elif isinstance(item, h5py.h5d.DatasetID):
                left -= _stored_bytes(h5py.Dataset(item), where)
            else:
                raise NotAllowed(f"the weights' {_short(where)} is neither a group nor an array")
            left -= _attribute_bytes(item, where, max_texts)
            if left < 0:
                raise NotAllowed("the weights claim more values than the file has bytes")
            if isinstance(item, h5py.h5d.DatasetID):
                yield where.removeprefix("/"), h5py.Dataset(item)


def check_expansion(found: Iterable[tuple[str, Any]], size: int) -> None:
    """Check that compressed arrays expand to no more than their size, before HDF5 expands them.

    Args:
        found: arrays that ``arrays`` yielded, with their paths, of a size that is expected.
        size: the size of the file in bytes.

    Raises:
        NotAllowed: a piece of an array expands to more than the piece's size.
        OSError: the file is damaged; likewise ``HDF5_ERRORS``.
    """
    for name, array in found:
        if array.chunks is None or array.compression is None:
            continue
        most = math.prod(array.chunks) * array.dtype.itemsize + _CHECKSUM_BYTES
        deflate = 1 << _filters(array).index(h5py.h5z.FILTER_DEFLATE)
        starts = product(*(range(0, whole, piece) for whole, piece in zip(array.shape, array.chunks, strict=True)))
        for start in starts:
            stored = array.id.get_chunk_info_by_coord(start)
            if not stored.size:
                continue
            if stored.size > size:
                raise NotAllowed(f"the weights' {_short(name)} claims more bytes than the file has")
            skipped, content = array.id.read_direct_chunk(start)
            if (_expanded(content, most) if not skipped & deflate else len(content)) > most:
                raise NotAllowed(f"the weights' {_short(name)} expands to more than its size")


def _expanded(content: bytes, most: int) -> int:
    """Return how many bytes a compressed piece expands to, or ``most`` + 1 for all larger ones."""
    try:
        return len(zlib.decompressobj().decompress(content, most + 1))
    except zlib.error as error:
        raise OSError(f"a compressed array is damaged: {error}") from error


def _filters(array: Any) -> list[int]:
    creation = array.id.get_create_plist()
    return [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]


def _address(item: Any) -> int:
    address: int = h5py.h5o.get_info(item).addr
    return address


def _links(group: Any, path: str, most: int) -> list[bytes]:
    """Return the names in a group, each of a hard link; no more are read than are allowed."""
    names: list[bytes] = []

    def add(name: bytes, link: Any) -> str | None:  # what it returns ends the iteration; it must not raise
        if link.type != h5py.h5l.TYPE_HARD:
            return f"the weights' {_short(f'{path}/{_text(name)}')} is a link"
        names.append(name)
        return None if len(names) <= most else f"the weights have more than {MAX_OBJECTS} groups and arrays"

    problem, _ = group.links.iterate(add, info=True)
    if problem:
        raise NotAllowed(problem)
    return names


def _stored_bytes(array: Any, where: str) -> int:
    """Check an array, and return how many bytes it must have in the file; 0 if it may be compressed."""
    where = _short(where)
    if array.is_virtual or array.external:
        raise NotAllowed(f"the weights' {where} is stored in another file")
    if array.shape is None or array.dtype.kind not in "fiub":
        raise NotAllowed(f"the weights' {where} is not a plain array")
    if array.chunks is None:
        return int(array.nbytes)
    filters = _filters(array)
    if not set(filters) <= _FILTERS or len(set(filters)) < len(filters):
        raise NotAllowed(f"the weights' {where} is compressed in another way than by gzip")
    if math.prod(array.chunks) * array.dtype.itemsize > max(array.nbytes, _SPARE_CHUNK_BYTES):
        raise NotAllowed(f"the weights' {where} is stored in pieces of {array.chunks}, larger than itself")
    if math.prod(-(-whole // piece) for whole, piece in zip(array.shape, array.chunks, strict=True)) > MAX_CHUNKS:
        raise NotAllowed(f"the weights' {where} is stored in more than {MAX_CHUNKS} pieces")
    return 0


def _attribute_bytes(item: Any, where: str, max_texts: int) -> int:
    """Check the attributes of an object, and return how many bytes they have in the file."""
    names: list[bytes] = []

    def add(name: bytes) -> bool | None:  # what it returns ends the iteration; it must not raise
        names.append(name)
        return len(names) > MAX_ATTRIBUTES or None

    if h5py.h5a.iterate(item, add):
        raise NotAllowed(f"the weights' {_short(where)} has more than {MAX_ATTRIBUTES} attributes")
    size = 0
    for name in names:
        attribute = h5py.h5a.open(item, name)
        kind, values = attribute.get_type(), attribute.get_space().get_simple_extent_npoints()
        size += values * kind.get_size()
        shown = f"the weights' attribute {_short(_text(name))} of {_short(where)}"
        if not isinstance(kind, _ATTRIBUTE_TYPES):
            raise NotAllowed(f"{shown} is neither a text nor a number")
        if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str() and values > max_texts:
            raise NotAllowed(f"{shown} has {values} texts; expected at most {max_texts}")
    return size


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _short(name: str) -> str:
    return name[:120]
