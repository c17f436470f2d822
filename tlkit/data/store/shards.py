"""Shards: a few arrays in one file, memory-mapped, every byte of which is covered by a checksum."""

from __future__ import annotations

import errno
import hashlib
import math
import mmap
import os
import stat
import struct
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tlkit.system.disk import full_disk_context
from tlkit.system.open_files import allow_open_files
from tlkit.system.text import listed

FORMAT = 2
"""Version of the files. It belongs into the keys of the folders that hold them, so that versions of tlkit that use one
cache at the same time don't meet each other's files."""
SUFFIX = ".shard"

_MAGIC = b"tlshard2"
_PREFIX = struct.Struct("<8sQ32s")
"""What a file begins with: ``_MAGIC``, the length of the header in bytes, and the header's SHA-256."""
_ALIGNMENT = 64
_TRIES = 3
_MAPPED = count()


class UnusableShardError(Exception):
    """A shard that can't be used, and has to be made again.

    Args:
        file: the file.
        reason: what is wrong with it.
        damaged: whether its content is wrong; False if it can't be read.
    """

    def __init__(self, file: Path, reason: str, *, damaged: bool = True) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason
        self.damaged = damaged


class _Array(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    dtype: Literal["uint8", "int32", "int64", "float16", "float32", "float64"]
    shape: list[int] = Field(min_length=1, max_length=16)
    crc32: int = Field(ge=0, lt=1 << 32)

    @property
    def size(self) -> int:
        """The number of bytes in the file, with the padding."""
        return _aligned(math.prod(self.shape) * np.dtype(self.dtype).itemsize)


class _Header(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    of: str
    arrays: dict[str, _Array]
    note: dict[str, Any]


class Shard:
    """The arrays of a file.

    Args:
        file: the file.
        header: the checked header.
        mapped: the mapped file.
        start: where the arrays begin.

    Attributes:
        arrays: read-only arrays by name, memory-mapped. They stay valid when the file is removed or replaced.
        note: what was noted when the shard was written.
    """

    def __init__(self, file: Path, header: _Header, mapped: mmap.mmap, start: int) -> None:
        self.file = file
        self.note = header.note
        self.arrays: dict[str, np.ndarray] = {}
        self._mapped = mapped
        self._parts: list[tuple[int, int, int]] = []
        for name, each in header.arrays.items():
            self.arrays[name] = np.ndarray(each.shape, each.dtype, mapped, start)
            self._parts.append((start, start + each.size, each.crc32))
            start += each.size

    def check(self) -> None:
        """Read every byte of the arrays, as they are mapped now, and compare their checksums.

        Raises:
            UnusableShardError: a byte differs from what was written.
        """
        with memoryview(self._mapped) as view:
            intact = all(zlib.crc32(view[start:end]) == crc for start, end, crc in self._parts)
        _release(self._mapped)
        if not intact:
            raise UnusableShardError(self.file, "its checksum differs")


def write_shard(folder: Path, name: str, of: str, arrays: Mapping[str, np.ndarray], note: Mapping[str, Any]) -> Shard:
    """Write arrays to ``NAME.shard``, whole or not at all, and return them as they are on disk.

    The result is usable even if another process has removed the file, or the folder, in the meantime.

    Args:
        folder: the folder to write to; it is created if it is missing.
        name: the name of the shard.
        of: what the arrays belong to; ``open_shard`` compares it.
        arrays: the arrays by name.
        note: further values to keep with them, as JSON has them.

    Raises:
        OSError: the file can't be written.
    """
    file = folder / f"{name}{SUFFIX}"
    parts = [_padded(values) for values in arrays.values()]
    described = {
        key: _Array(dtype=values.dtype.name, shape=list(values.shape), crc32=zlib.crc32(part))  # type: ignore[arg-type]
        for (key, values), part in zip(arrays.items(), parts, strict=True)
    }
    text = _Header(of=of, arrays=described, note=dict(note)).model_dump_json().encode()
    text += b" " * (_aligned(_PREFIX.size + len(text)) - _PREFIX.size - len(text))
    prefix = _PREFIX.pack(_MAGIC, len(text), hashlib.sha256(text).digest())
    with full_disk_context(file, len(prefix) + len(text) + sum(len(part) for part in parts)):
        handle, temporary = _new_file(file)
        try:
            with os.fdopen(handle, "w+b") as stream:
                for part in (prefix, text, *parts):
                    stream.write(part)
                stream.flush()
                stream.seek(0)
                shard = _shard(file, stream, of)
            # Whoever removed the folder has removed it for later runs: this one has its arrays.
            with suppress(FileNotFoundError):
                temporary.replace(file)
        except UnusableShardError as error:
            raise OSError(0, f"does not read back as it was written: {error.reason}", str(file)) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
    return shard


def open_shard(file: Path, of: str) -> Shard | None:
    """Return a shard whose header is intact; ``Shard.check`` checks its arrays. None if there is no such file.

    Nothing in the file is interpreted before its digest is compared.

    Args:
        file: the file.
        of: what the arrays must belong to.

    Raises:
        UnusableShardError: the file is damaged, incomplete, no file, of something else, or can't be read.
    """
    try:
        with open(file, "rb", opener=_opened) as stream:
            return _shard(file, stream, of)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = f"can't be read: {error.strerror or error}"
        raise UnusableShardError(file, reason, damaged=False) from error


def shard_names(folder: Path) -> list[str]:
    """Return the names of a folder's shards, sorted."""
    return sorted(file.stem for file in folder.glob(f"[!.]*{SUFFIX}"))


def unusable_note(what: str, done: str, errors: Sequence[UnusableShardError]) -> tuple[str, ...]:
    """Return the note for the user that cached files could not be used; empty if all could.

    Args:
        what: what the files hold, such as ``cached images``.
        done: what was done with them, such as ``decoded``.
        errors: what is wrong with each file.
    """
    if not errors:
        return ()
    return (f"{what} could not be used, so they were {done} again: {listed([str(each) for each in errors], 3)}",)


def release(values: np.ndarray) -> None:
    """Give back the memory of a memory-mapped array's pages; the next use reads them again.

    The system keeps the pages in its file cache, but they no longer count as the process's memory.
    """
    base: Any = values.base
    if isinstance(base, mmap.mmap):
        _release(base)


def _release(mapped: mmap.mmap) -> None:
    advice = getattr(mmap, "MADV_DONTNEED", None)
    if advice is not None:
        mapped.madvise(advice)


def _opened(path: str, flags: int) -> int:
    """Open a file; a pipe in its place must not make the run wait."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _shard(file: Path, stream: BinaryIO, of: str) -> Shard:
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise UnusableShardError(file, "is not a file", damaged=False)
    prefix = stream.read(_PREFIX.size)
    magic, length, digest = _PREFIX.unpack(prefix) if len(prefix) == _PREFIX.size else (b"", 0, b"")
    start = _PREFIX.size + length
    if magic != _MAGIC or start > status.st_size:
        raise UnusableShardError(file, "is incomplete or damaged")
    text = stream.read(length)
    if hashlib.sha256(text).digest() != digest:
        raise UnusableShardError(file, "the checksum of its header differs")
    try:
        header = _Header.model_validate_json(text)
    except ValidationError as error:
        raise UnusableShardError(file, f"its header is not as expected: {error.errors()[0]['msg']}") from error
    if header.of != of:
        raise UnusableShardError(file, "belongs to something else")
    negative = any(size < 0 for each in header.arrays.values() for size in each.shape)
    if negative or start + sum(each.size for each in header.arrays.values()) != status.st_size:
        raise UnusableShardError(file, "is incomplete or damaged")
    return Shard(file, header, _mapped(stream, status.st_size), start)


def _mapped(stream: BinaryIO, size: int) -> mmap.mmap:
    allow_open_files(next(_MAPPED))
    try:
        return mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ)
    except ValueError as error:  # The file became shorter just now.
        raise OSError(errno.EIO, str(error)) from error


def _new_file(file: Path) -> tuple[int, Path]:
    """Create a temporary file beside a file, and its folder, which another process may be removing."""
    left = _TRIES
    while True:
        left -= 1
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
        except FileNotFoundError:
            if not left:
                raise
        else:
            return handle, Path(temporary)


def _padded(values: np.ndarray) -> bytes | memoryview:
    """Return the bytes of an array as they are in the file."""
    content = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
    missing = _aligned(len(content)) - len(content)
    return content if not missing else bytes(content) + bytes(missing)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
