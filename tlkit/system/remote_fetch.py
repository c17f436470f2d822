"""Fetch one file of a remote folder: whole or not at all, and resumed where an earlier process ended."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import DataError
from tlkit.system.disk import full_disk_context
from tlkit.system.remote_index import Fetched
from tlkit.system.remote_source import RemoteFile, RemoteSource

CHUNK = 8_000_000
"""Bytes that are asked for at a time; also what an interrupted download loses at most."""
_ATTEMPTS = 3


@dataclass(frozen=True)
class Place:
    """Where a file is written.

    Args:
        file: its path.
        parts: the folder of files that are not whole yet.
    """

    file: Path
    parts: Path


def fetch_file(source: RemoteSource, file: RemoteFile, place: Place, add: Callable[[int], None]) -> Fetched:
    """Fetch a file; another attempt, and another process, go on where the last one ended.

    Args:
        source: the file system.
        file: the file.
        place: where to write it.
        add: called with the bytes that came.

    Raises:
        DataError: it can't be read after several attempts.
        OSError: it can't be written.
    """
    part = place.parts / hashlib.sha256(file.name.encode("utf-8", "surrogateescape")).hexdigest()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            size = _complete(source, file, part, add)
            break
        except DataError as error:
            if attempt == _ATTEMPTS or isinstance(error.__cause__, FileNotFoundError | PermissionError):
                raise
            time.sleep(0.5 * 2**attempt)
    digest = file_digest(part)
    with full_disk_context(place.file):
        place.file.parent.mkdir(parents=True, exist_ok=True)
        part.replace(place.file)
    _version_of(part).unlink(missing_ok=True)
    return Fetched(file.name, size, file.version, digest)


def _complete(source: RemoteSource, file: RemoteFile, part: Path, add: Callable[[int], None]) -> int:
    """Write what is missing of a file that is not whole yet, and return its size in bytes."""
    if file.size is None or file.size <= CHUNK:
        content = source.read(file)
        if file.size not in (None, len(content)):
            raise DataError(f"{source.url}/{file.name}: has {len(content)} bytes, and {file.size} in the listing")
        with full_disk_context(part, len(content)):
            part.write_bytes(content)
        add(len(content))
        return len(content)
    done = _resumable(file, part)
    add(done)
    with full_disk_context(part, file.size), part.open("ab" if done else "wb") as stream:
        while done < file.size:
            content = source.read(file, done, min(done + CHUNK, file.size))
            if done == 0 and len(content) == file.size:
                pass  # a web server that knows no ranges
            elif len(content) != min(CHUNK, file.size - done):
                raise DataError(f"{source.url}/{file.name}: {len(content)} bytes came where {CHUNK} were asked for")
            stream.write(content)
            stream.flush()
            done += len(content)
            add(len(content))
    return done


def _resumable(file: RemoteFile, part: Path) -> int:
    """Return how many bytes of the same version of a file are there, and record the version for the next process."""
    version, text = _version_of(part), f"{file.size} {file.version}"
    if file.version and part.is_file() and version.is_file() and version.read_text("utf-8") == text:
        with part.open("r+b") as stream:
            whole = min(part.stat().st_size, file.size or 0) // CHUNK * CHUNK
            stream.truncate(whole)
        return whole
    part.unlink(missing_ok=True)
    version.write_text(text, "utf-8")
    return 0


def _version_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file; an empty text if it can't be read."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
