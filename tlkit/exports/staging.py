"""Where an exporter writes: a hidden folder beside the destination, so that a file appears whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tlkit.errors import DataError
from tlkit.runs.checksums import file_digest
from tlkit.runs.folder import RunFolder
from tlkit.system.disk import check_name, check_new_file, full_disk_context

_PREFIX = ".tlkit-export-"
_LOCK = "lock"
_OLD = "replaced"


@dataclass(frozen=True)
class Staging:
    """A folder in which a file is written and compared before it is moved to its place.

    Args:
        folder: the hidden folder.
        target: where the file goes.
    """

    folder: Path
    target: Path

    @property
    def path(self) -> Path:
        """The file that the exporter writes."""
        return self.folder / "new" / self.target.name

    @property
    def scratch(self) -> Path:
        """A folder for temporary files."""
        return self.folder / "scratch"

    def bytes(self) -> int:
        """Return the size of what was written."""
        return sum(each.stat().st_size for each in self.path.parent.rglob("*") if each.is_file())

    def digest(self) -> str:
        """Return the digest of what was written: of the only file, or of a folder or files that belong together."""
        alone = list(self.path.parent.iterdir()) == [self.path]
        return digest_of(self.path if alone else self.path.parent)

    def check(self) -> None:
        """Check what the exporter wrote.

        Raises:
            DataError: it did not write the file, or others that don't have its stem, or links.
        """
        written = sorted(self.path.parent.iterdir())
        if self.path not in written:
            raise DataError(f"the exporter wrote no {self.path.name}")
        stem = self.path.name.partition(".")[0]
        for each in written:
            if each.name.partition(".")[0] != stem:
                raise DataError(f"the exporter wrote {each.name}; expected names that begin with {stem}.")
        if link := next((each for each in self.path.parent.rglob("*") if each.is_symlink()), None):
            raise DataError(f"the exporter wrote a link, {link.name}; expected files")

    def move(self, *, overwrite: bool) -> None:
        """Move what was written to its place; if that fails in the middle, put back what was there before.

        Raises:
            DataError: another file is in the way.
            OSError: a file can't be moved.
        """
        written = sorted(self.path.parent.iterdir(), key=lambda each: each == self.path)  # the file itself last
        places = {each: self.target.parent / each.name for each in written}
        if not overwrite and (taken := next((each for each in places.values() if each.exists()), None)):
            raise DataError(f"{taken}: already exists and was not changed; name another file with --out")
        old = self.folder / _OLD
        old.mkdir()
        moved: list[tuple[Path, Path]] = []
        try:
            for source, place in places.items():
                if place.exists():
                    moved.append((place, old / place.name))
                    place.replace(old / place.name)
                moved.append((source, place))
                source.replace(place)
        except BaseException:
            for before, now in reversed(moved):
                if now.exists() and not before.exists():
                    now.replace(before)
            raise


@contextmanager
def staging_for(target: Path) -> Iterator[Staging]:
    """Make a staging folder beside a destination, and remove it at the end with all that is left in it.

    Folders that did not exist before are removed as well, if nothing came into them.

    Raises:
        OSError: it can't be made.
    """
    missing = [each for each in target.absolute().parents if not each.exists()]
    with full_disk_context(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        for left in target.parent.glob(f"{_PREFIX}*"):
            _clear(left)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=target.parent))
    lock = FileLock(folder / _LOCK)
    try:
        with suppress(OSError, Timeout):  # without locks, what a killed process leaves is left for good
            lock.acquire(timeout=0)
        staging = Staging(folder, target)
        staging.path.parent.mkdir()
        staging.scratch.mkdir()
        yield staging
    finally:
        with suppress(OSError):
            lock.release()
        shutil.rmtree(folder, ignore_errors=True)
        for each in missing:
            try:
                each.rmdir()
            except OSError:
                break


def _clear(folder: Path) -> None:
    """Remove the staging folder of a process that was killed, and put back the files that it was about to replace."""
    mark, old = folder / _LOCK, folder / _OLD
    linked = any(each.is_symlink() for each in (folder, mark, old))
    if linked or not mark.is_file() or not (folder / "scratch").is_dir():
        return  # not one of these, or one that is being made
    with suppress(OSError, Timeout), FileLock(mark).acquire(timeout=0):
        for each in old.glob("*"):
            place = folder.parent / each.name
            if not place.exists() and not place.is_symlink():
                each.replace(place)
        shutil.rmtree(folder, ignore_errors=True)


def check_target(target: Path, member: str, *, overwrite: bool) -> None:
    """Check, before the work, that an export can be written.

    Args:
        target: the file or folder to write.
        member: the name of a file that is in every folder of the format; empty where the format is a file.
        overwrite: replace what exists.

    Raises:
        DataError: it exists, or is something else than an earlier export, or the model of a run.
    """
    check_name(target)
    if not target.is_dir():
        check_new_file(target, overwrite=True)
    if target.is_symlink():
        raise DataError(f"{target}: is a link; name another file with --out")
    run = RunFolder(target.absolute().parent)
    if run.card.exists() and target.name.lower() in (run.model.name, run.lite.name):
        raise DataError(f"{target}: is the model of a run itself; name another file with --out")
    if target.is_dir() and not (member and (target / member).is_file()):
        raise DataError(f"{target}: is a folder{f' without {member}' if member else ''}; name another file with --out")
    if target.is_file() and member:
        raise DataError(f"{target}: is a file, and the format is a folder; name another with --out")
    if target.exists() and not overwrite:
        raise DataError(f"{target}: already exists and was not changed; name another file, or give --overwrite")


def digest_of(path: Path) -> str:
    """Return ``sha256:`` and the SHA-256 of an exported file; of a folder, of the names and digests of its files."""
    if path.is_file():
        return f"sha256:{file_digest(path)}"
    files = sorted(each for each in path.rglob("*") if each.is_file())
    lines = "".join(f"{each.relative_to(path).as_posix()} {file_digest(each)}\n" for each in files)
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
