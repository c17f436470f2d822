"""Folders and files at ``s3://``, ``gs://``, ``hf://`` and others: fetched into the cache, and used from there.

A folder is fetched whole before it is used. What is there from an earlier time is compared with the listing of the
source (size, ETag) and with its own SHA-256, so that only what changed, is missing or is damaged is fetched.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath

from tlkit.errors import DataError
from tlkit.system.cache import ABOUT, hold, limit, make_room, mark_used, remote_folder
from tlkit.system.disk import FullDiskError, free_bytes, full_disk_text, is_disk_full, write_atomically
from tlkit.system.parallel import in_threads
from tlkit.system.remote_fetch import Place, fetch_file, file_digest
from tlkit.system.remote_index import Fetched, add_to_index, index_text, name_problem, read_index, usable_names
from tlkit.system.remote_names import check_url, remember, url_of
from tlkit.system.remote_shown import Shown
from tlkit.system.remote_source import THREADS, Listing, RemoteFile, RemoteSource
from tlkit.system.text import counted, listed, size_text

TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xml", ".yaml", ".yml")
"""Suffixes of files that name other files, beside them."""

_INDEX = "index.jsonl"
_FRESH_SECONDS = 60.0
_EVERY = 0.2
_held = ExitStack()
"""What keeps other processes from removing the copies that this process uses, until it ends."""
_made: dict[str, tuple[Path, float]] = {}
"""URL → its local copy, and when it was last compared with the source."""


def local_path(path: Path, *, with_neighbours: bool = False) -> Path:
    """Return a path of this machine as it is, and for a URL the path of its local copy, fetching what is missing.

    Args:
        path: a file or folder, or a URL.
        with_neighbours: for the URL of a table, which names other files: fetch the folder that it is in.

    Raises:
        DataError: the URL can't be fetched; the message names it, and what to do.
        FullDiskError: the disk of the cache has too little room.
    """
    url = url_of(path)
    if url is None:
        return path
    check_url(url)
    if with_neighbours and PurePosixPath(url).suffix.lower() in TABLES:
        above, _, name = url.rpartition("/")
        file = _copy(above) / name
        if not file.is_file():
            raise DataError(f"{url}: there is no such file in {above}")
        return file
    return _copy(url)


def _copy(url: str) -> Path:
    copy, when = _made.get(url, (Path(), -_FRESH_SECONDS))
    if time.monotonic() - when < _FRESH_SECONDS and copy.exists():
        return copy
    copy = _Copy(url).brought_up_to_date()
    remember(copy, url)
    _made[url] = copy, time.monotonic()
    return copy


class _Copy:
    """The local copy of a remote folder or file: a folder of the cache, with one process at a time fetching into it.

    Args:
        url: the URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.source = RemoteSource(url)
        server = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        key = f"{server} {url}" if url.startswith("s3") else url
        self.folder = remote_folder().resolve() / hashlib.sha256(key.encode()).hexdigest()[:20]
        self.shown = Shown(url)

    def brought_up_to_date(self) -> Path:
        """Return the folder or file that has the same content as the source.

        Raises:
            DataError: it can't be fetched.
            FullDiskError: the disk has too little room.
        """
        from filelock import FileLock, Timeout

        listing = self.source.listing()
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder.with_name(f"{self.folder.name}.lock"))
            while True:
                try:
                    lock.acquire(timeout=0)
                    break
                except Timeout:
                    self.shown.waiting()
                    time.sleep(_EVERY)
            try:
                self.folder.mkdir(exist_ok=True)
                _held.enter_context(hold(self.folder))
                return self._fetched(listing)
            finally:
                lock.release()
        except OSError as error:
            if is_disk_full(error):
                raise FullDiskError(
                    f"{self.url}: {full_disk_text(self.folder.parent, 0)} for its copy at {self.folder}"
                ) from error
            raise DataError(
                f"{self.url}: its copy can't be written: {error.filename or self.folder}: {error.strerror or error}"
            ) from error

    def _fetched(self, listing: Listing) -> Path:
        files = self.folder / "files"
        root = files if listing.is_file else files / PurePosixPath(self.url).name
        root.mkdir(parents=True, exist_ok=True)
        wanted = self._wanted(listing)
        have = self._kept(wanted, root)
        self._remove_others(root, wanted)
        missing = [each for name, each in wanted.items() if name not in have]
        self._check_room(wanted.values(), missing)
        write_atomically(self.folder / _INDEX, index_text(have.values()))
        self._fetch(missing, root)
        write_atomically(self.folder / ABOUT, f"{self.url}, {counted(len(wanted), 'file')}\n")
        mark_used(self.folder)
        return root / next(iter(wanted)) if listing.is_file else root

    def _wanted(self, listing: Listing) -> dict[str, RemoteFile]:
        """Return name → file, without those whose names can't be used below a folder."""
        by_name = {each.name: each for each in listing.files}
        windows = os.name == "nt"
        usable, refused = usable_names(by_name, _folds_case(self.folder), lambda name: name_problem(name, windows))
        if refused:
            shown = listed([f"{name!r} {reason}" for name, reason in refused.items()], 3)
            self.shown.say(f"{self.url}: {counted(len(refused), 'file')} left out: {shown}")
        if not usable:
            raise DataError(f"{self.url}: has no files")
        return {name: by_name[name] for name in usable}

    def _kept(self, wanted: dict[str, RemoteFile], root: Path) -> dict[str, Fetched]:
        """Return name → what is known of the files that are there as the source has them, by their digests."""
        known = read_index(self.folder / _INDEX)
        same = [
            known[name]
            for name, file in wanted.items()
            if name in known
            and file.version == known[name].version
            and file.size in (None, known[name].size)
            and file.version  # without one, nothing tells that it is the same
        ]
        digests = in_threads(lambda each: file_digest(root / each.name), same, name="tlkit-digest", ahead=8)
        kept: dict[str, Fetched] = {}
        damaged: list[str] = []
        for each, digest in zip(same, self.shown.comparing(digests, len(same)), strict=True):
            if digest == each.digest:
                kept[each.name] = each
            elif digest:
                damaged.append(each.name)
        if damaged:
            self.shown.say(
                f"{self.url}: {counted(len(damaged), 'cached file')} changed or damaged on this disk, fetched again: "
                f"{listed(damaged, 3)}"
            )
        return kept

    def _remove_others(self, root: Path, wanted: dict[str, RemoteFile]) -> None:
        """Remove files that the source no longer has, and links, which tlkit does not make."""
        for folder, folders, names in os.walk(root, topdown=False):
            here = Path(folder)
            for each in names + [name for name in folders if (here / name).is_symlink()]:
                file = here / each
                if file.is_symlink() or file.relative_to(root).as_posix() not in wanted:
                    file.unlink()
            if here != root:
                with suppress(OSError):  # it is not empty
                    here.rmdir()

    def _check_room(self, files: Iterable[RemoteFile], missing: list[RemoteFile]) -> None:
        whole, needed = sum(each.size or 0 for each in files), sum(each.size or 0 for each in missing)
        if whole > limit():
            gigabytes = f"{whole / 1e9 + 1:.0f}"
            raise DataError(
                f"{self.url}: has {size_text(whole)}, and the cache may have {size_text(limit())}; "
                f"tlkit cache limit {gigabytes} allows more, TLKIT_CACHE puts the cache on another disk"
            )
        make_room(needed)
        if needed > free_bytes(self.folder):
            raise FullDiskError(
                f"{self.url}: {full_disk_text(self.folder, needed)} on the disk of {self.folder}; free some room, or "
                "set TLKIT_CACHE to a folder on another disk"
            )

    def _fetch(self, missing: list[RemoteFile], root: Path) -> None:
        parts = self.folder / "parts"
        parts.mkdir(exist_ok=True)
        total = sum(each.size or 0 for each in missing)
        file = self.folder / _INDEX
        with self.shown.fetching(len(missing), total) as add, file.open("a", encoding="utf-8") as index:

            def fetched(file: RemoteFile) -> Fetched:
                return fetch_file(self.source, file, Place(root / file.name, parts), add)

            for each in in_threads(fetched, missing, name="tlkit-remote", ahead=2, threads=THREADS):
                add_to_index(index, each)
                self.shown.one_done()


def _folds_case(folder: Path) -> bool:
    """Return whether the disk takes names that differ only in case for one; ``files`` is in the folder."""
    return (folder / "FILES").exists()
