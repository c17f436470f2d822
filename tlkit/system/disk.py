"""Write files whole or not at all; recognise a full disk, and say what has no room on it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tlkit.errors import DataError, RunError
from tlkit.system.text import size_text

NOT_PERMITTED = (errno.EACCES, errno.EPERM, errno.EROFS)
"""Error numbers for files and folders without write permission."""
IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY)
"""Error numbers for a folder in the place of a file, or the reverse."""


class FullDiskError(RunError):
    """A file of the run folder can't be written because the disk is full; what was there before is unchanged."""

    exit_code = 74


class FailedDiskError(RunError):
    """A file of the run folder can't be written because the disk failed; what was there before is unchanged."""


class NoRoomError(OSError):
    """The operating system's error about a full disk, with the file that there was no room for.

    Args:
        error: the error of the operating system.
        path: the file to be written.
        needed: the size of the file in bytes; 0 if it is not known.
    """

    def __init__(self, error: OSError, path: Path, needed: int) -> None:
        super().__init__(error.errno or errno.ENOSPC, error.strerror or os.strerror(errno.ENOSPC), str(path))
        self.needed = needed


@contextmanager
def full_disk_context(path: Path, needed: int = 0) -> Iterator[None]:
    """Add the file that was being written, and its size in bytes, to errors about a full disk; to others the file.

    Raises:
        NoRoomError: the disk, or the user's quota, is full.
    """
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise NoRoomError(error, path, needed) from error
        if error.errno is not None and error.filename is None:
            # Writing to an open file raises an error that doesn't name it.
            error.filename = str(path)
        raise


def reserve(path: Path, size: int) -> None:
    """Check that there is room for a file, by making it with ``size`` bytes of no meaning.

    For files that HDF5 writes: where the disk fails it in the middle, it can end the process by a segmentation fault.

    Raises:
        NoRoomError: the disk, or the user's quota, is full.
        OSError: a file of this size can't be written for another reason.
    """
    with full_disk_context(path, size), path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except AttributeError:  # on Windows and macOS
            file.write(bytes(size))
        except OSError as error:
            # Not every file system can reserve room.
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP):
                raise


def path_of_error(error: OSError) -> Path | None:
    """Return the file that was to be written; if a file was to be renamed, its new path."""
    name = error.filename2 or error.filename
    return None if name is None or isinstance(name, int) else Path(os.fsdecode(name))


def is_disk_full(error: OSError) -> bool:
    """Return whether an error says that the disk, or the user's quota, is full; HDF5 says so only in words."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def free_bytes(folder: Path) -> int:
    """Return the number of free bytes on the disk of a folder."""
    return shutil.disk_usage(folder).free


def full_disk_text(folder: Path, needed: int, needs: str = "it needs") -> str:
    """Return the part of a message that says how much room is missing on the full disk of a folder.

    Args:
        folder: a folder on the disk.
        needed: the number of bytes to be written; 0 if it is not known.
        needs: the subject and the verb before that number, such as ``a checkpoint needs``.

    Returns:
        ``the disk is full: it needs 12.3 kB, 4.0 kB are free, 8.3 kB are missing``.
    """
    free = free_bytes(folder)
    if not needed:
        return f"the disk is full: {size_text(free)} are free"
    missing = max(needed - free, 0)
    return (
        f"the disk is full: {needs} {size_text(needed)}, {size_text(free)} are free, {size_text(missing)} are missing"
    )


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that it appears whole or not at all (temporary file, fsync, rename).

    Raises:
        NoRoomError: the disk, or the user's quota, is full.
        OSError: the file can't be written for another reason.
    """
    data = content.encode() if isinstance(content, str) else content
    with appearing_whole(path, len(data)) as file:
        file.write(data)


@contextmanager
def appearing_whole(path: Path, size: int = 0) -> Iterator[BinaryIO]:
    """Open a file for writing that appears whole at the end, or not at all (temporary file, fsync, rename).

    Args:
        path: the file.
        size: its size in bytes; 0 if it is not known.

    Raises:
        NoRoomError: the disk, or the user's quota, is full.
        OSError: the file can't be written for another reason.
    """
    try:
        with full_disk_context(path, size):
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        error.filename = str(path)  # nobody knows the temporary file
        raise
    try:
        with full_disk_context(path, size), os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make the folder of a file that is about to be written, and explain why it can't be written.

    Raises:
        DataError: the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(f"{path}: can't be written: {error.strerror or error}") from error


def own_folder(variable: str, default: Callable[[], Path]) -> Path:
    """Return a folder of tlkit's own: the value of an environment variable, or the user's folder for such things.

    Raises:
        DataError: it can't be a folder, or the user has no home folder.
    """
    given = os.environ.get(variable)
    folder = Path(given) if given else default()
    if not given and folder.parts[:1] == ("~",):
        raise DataError(f"this user has no home folder; set {variable} to a folder")
    try:
        nearest = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    except OSError as error:
        raise DataError(f"{str(folder)[:200]}: can't be used: {error.strerror}; set {variable} to a folder") from error
    # Another process may remove it just now, which is no reason not to use it.
    with suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISDIR(nearest.stat().st_mode):
            raise DataError(f"{folder}: can't be used: {nearest} is not a folder; set {variable} to a folder")
    return folder


@contextmanager
def temporary_folder(parent: str | None = None) -> Iterator[Path]:
    """Create an empty folder for temporary files, and remove it at the end.

    Args:
        parent: where; None for the place that the system has for them, or ``TMPDIR``.

    Raises:
        DataError: there is no place for it.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="tlkit-", dir=parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise DataError(f"no temporary folder can be made: {error.strerror}; set TMPDIR to a folder") from error
    with folder as path:
        yield Path(path)


def check_name(path: Path) -> None:
    """Check that a file or folder can have a name.

    Raises:
        DataError: it is too long, or has a NUL or a character that the file system can't have.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: can't be written: no file can have this name: {why}") from error


def check_new_files(files: Iterable[Path], *, overwrite: bool) -> None:
    """Check, before the work that leads to files, that they can be written; ``writing`` makes their folders.

    Raises:
        DataError: a file exists, and ``overwrite`` is False; it is a folder; its folder can't be written to; or no file
            can have its name.
    """
    folders: dict[Path, Path] = {}
    for file in files:
        folders.setdefault(_nearest_folder(file, overwrite=overwrite), file)
    for folder, file in folders.items():
        check_writable(folder, file)


def check_new_file(file: Path, *, overwrite: bool) -> None:
    """Check one file as ``check_new_files`` does."""
    check_new_files([file], overwrite=overwrite)


def check_new_folder(out: Path) -> None:
    """Check, before the work that leads to the files of a folder, that they can be written.

    Raises:
        DataError: it is a file, it or the folder that it is to be made in can't be written to, or no folder can have
            its name.
    """
    check_name(out)
    check_writable(_folder_above(out / "file"), out)


def check_writable(folder: Path, out: Path) -> None:
    """Check that files can be made in a folder, by making one: permissions alone don't tell root, or of ``/proc``.

    Args:
        folder: a folder that exists.
        out: what is to be written, for the message.

    Raises:
        DataError: they can't.
    """
    try:
        handle, probe = tempfile.mkstemp(dir=folder, prefix=".tlkit-")
        os.close(handle)
        Path(probe).unlink()
    except OSError as error:
        if is_disk_full(error):  # the file may replace another one, and the writing says how much is missing
            return
        why = error.strerror if error.errno in NOT_PERMITTED else "no file can be made there"
        raise DataError(f"{out}: can't be written: {why}: {folder}; choose another folder") from error


def _nearest_folder(out: Path, *, overwrite: bool) -> Path:
    """Return the nearest folder above a new file that exists.

    Raises:
        DataError: as for ``check_new_files``.
    """
    check_name(out)
    if out.is_dir():
        raise DataError(f"{out}: is a folder; expected a file")
    if out.exists() and not overwrite:
        raise DataError(f"{out}: already exists and was not changed; name another file, or give --overwrite")
    return _folder_above(out)


def _folder_above(out: Path) -> Path:
    folder = next(each for each in out.absolute().parents if each.exists())
    if not folder.is_dir():
        raise DataError(f"{out}: can't be written: {folder} is a file; expected a folder")
    return folder
