"""Unpack a publisher's archive safely, and completely or not at all."""

from __future__ import annotations

import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import tlkit

MAX_UNPACKED = 4_000_000_000
"""Maximum size of an archive's contents in bytes; the largest of these data sets takes less than a quarter."""


def cache_folder(name: str) -> Path:
    """Return the data set's folder in the user's cache."""
    from platformdirs import user_cache_path

    return user_cache_path("tlkit", appauthor=False) / name


def unpack(archive: Path, target: Path, inside: str = "") -> None:
    """Unpack a .zip or .tar archive into a temporary folder, then rename it, so that ``target`` is always complete.

    Args:
        archive: the file to unpack.
        target: the folder to create; one that exists already is left as it is.
        inside: the folder in the archive that becomes ``target``; empty: the whole archive.

    Raises:
        DataError: the archive can't be unpacked, lacks ``inside``, has links or paths that lead out of it, or unpacks
            to more than ``MAX_UNPACKED``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, temporary)
        else:
            _untar(archive, temporary)
        if not (temporary / inside).is_dir():
            raise tlkit.DataError(f"{archive}: the archive has no folder {inside}; {_remedy(archive)}")
        if not target.is_dir():
            (temporary / inside).rename(target)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise tlkit.DataError(f"{archive}: can't be unpacked: {reason(error)}; {_remedy(archive)}") from error
    except OSError as error:
        raise tlkit.DataError(f"{archive}: can't be unpacked to {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def reason(error: Exception) -> str:
    """Return the error's message without tarfile's list of every format it tried."""
    return str(error).split(":\n")[0] or type(error).__name__


def _remedy(archive: Path) -> str:
    return f"if {archive.name} is incomplete or was changed, remove it and fetch it again"


def _check(archive: Path, name: str, *, link: bool, total: int) -> None:
    outside = name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name)
    if link or outside:
        what = "a link" if link else "a path that leads out of the archive"
        raise tlkit.DataError(f"{archive}: {name!r} is {what}; this is not the publisher's file, so it is not unpacked")
    if total > MAX_UNPACKED:
        raise tlkit.DataError(f"{archive}: holds more than {MAX_UNPACKED / 1e9:g} GB; this is not the publisher's file")


def _unzip(archive: Path, folder: Path) -> None:
    total = 0
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            total += entry.file_size
            _check(archive, entry.filename, link=stat.S_ISLNK(entry.external_attr >> 16), total=total)
            if entry.flag_bits & 1:
                raise tlkit.DataError(f"{archive}: the archive is encrypted; unpack it and give the folder instead")
        file.extractall(folder)


def _untar(archive: Path, folder: Path) -> None:
    total = 0

    def checked(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
        nonlocal total
        total += member.size
        _check(archive, member.name, link=member.issym() or member.islnk(), total=total)
        return tarfile.data_filter(member, path)

    with tarfile.open(archive) as file:
        file.extractall(folder, filter=checked)
