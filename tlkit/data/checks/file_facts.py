"""Read the facts of files: decode and hash them in parallel, or take them from an earlier check."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit.contracts import MaskTable
from tlkit.data.checks.facts import FACTS, Facts
from tlkit.data.checks.facts_cache import FactsCache, Version, version_of
from tlkit.data.images.image_file import BadImageError, read_file
from tlkit.data.images.mask_decode import classes_of
from tlkit.data.images.mask_file import read_mask, reading_key
from tlkit.data.images.picture import Picture
from tlkit.data.images.reading import Reading
from tlkit.system.parallel import in_processes, in_threads

FOR_PROCESSES = 4000
"""The number of files from which it pays to start processes. Half of the work needs Python's lock, so two
threads are hardly faster than one; processes are twice as fast once they have started."""

_SCALED = 64
"""Pixels per side that a JPEG has at least when it is scaled while decoding; all of its bytes are still read."""
_GROUP = 32
"""Files per task of a thread or process: handing over a task costs more than decoding a small file."""
_AHEAD = 2
"""Tasks per thread or process that are handed over ahead of their results."""
_HASHED_SIDE = 32
_HASH_SIZE = 16
_FLAT = 2.0
"""Standard deviation in grey levels below which an image shows too little to be recognised by its hash."""


WantedFile = tuple[Path, bool]
"""A file to read, and whether it is a mask."""


@dataclass(frozen=True)
class FactsReading:
    """How images and masks are read.

    Args:
        files: how files are read.
        table: how the pixels of masks name classes; None if there are no masks.
    """

    files: Reading
    table: MaskTable | None

    def cache_key(self, is_mask: bool) -> str:
        """Return a key for what the facts of a file depend on besides its bytes."""
        text = f"{FACTS} {self.files.max_pixels} {self.files.layout}".rstrip()
        if is_mask and self.table is not None:
            text += f" {sorted(self.table.values.items(), key=str)} {self.table.default}{reading_key(self.table)}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_facts(
    wanted: Sequence[WantedFile],
    reading: FactsReading,
    facts_cache: FactsCache,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Facts], int]:
    """Read files in parallel. Unchanged files are not read again; only a few are in memory at once.

    Args:
        wanted: the files to read.
        reading: how to read them.
        facts_cache: the facts from earlier checks; new ones are added, and it is closed.
        progress: called with (done, total) files.

    Returns:
        the facts in the order of ``wanted``, and the number of files that were read.
    """
    keys = {is_mask: reading.cache_key(is_mask) for is_mask in (False, True)}
    looked_up = in_threads(
        lambda group: _look_up(*group, keys, facts_cache), _grouped(wanted), name="tlkit-check", ahead=_AHEAD
    )
    facts_of: dict[WantedFile, Facts] = {}
    changed: dict[WantedFile, Version | None] = {}
    for known, unknown in looked_up:
        facts_of |= known
        changed |= unknown
        if progress is not None and known:
            progress(len(facts_of), len(wanted))
    for file, facts in _read_all(list(changed), reading, keys, facts_cache):
        facts_of[file] = facts
        if facts.digest:
            facts_cache.add(file[0], changed[file], keys[file[1]], facts)
        if progress is not None:
            progress(len(facts_of), len(wanted))
    facts_cache.close()
    return [facts_of[file] for file in wanted], len(changed)


def _grouped(wanted: Iterable[WantedFile]) -> Iterator[tuple[list[Path], bool]]:
    """Yield groups of up to ``_GROUP`` images or masks."""
    for is_mask, files in groupby(wanted, key=itemgetter(1)):
        paths = (path for path, _ in files)
        while group := list(islice(paths, _GROUP)):
            yield group, is_mask


def _look_up(
    paths: Sequence[Path], is_mask: bool, keys: Mapping[bool, str], facts_cache: FactsCache
) -> tuple[dict[WantedFile, Facts], dict[WantedFile, Version | None]]:
    """Return the cached facts of unchanged files, and the versions of the others."""
    versions: dict[Path, Version | None] = {}
    for path in paths:
        try:
            versions[path] = version_of(path)
        except (OSError, ValueError):
            versions[path] = None  # Reading the file will show why.
    existing = {path: version for path, version in versions.items() if version is not None}
    known = facts_cache.unchanged(existing, keys[is_mask])
    return (
        {(path, is_mask): facts for path, facts in known.items()},
        {(path, is_mask): version for path, version in versions.items() if path not in known},
    )


def _read_all(
    wanted: Sequence[WantedFile], reading: FactsReading, keys: Mapping[bool, str], facts_cache: FactsCache
) -> Iterator[tuple[WantedFile, Facts]]:
    """Read files in threads or, if there are many, in processes."""
    read = partial(_read_group, reading=reading, keys=keys)
    groups = list(_grouped(wanted))
    if len(wanted) >= FOR_PROCESSES:
        read = partial(read, facts_cache=facts_cache.folder)
        results = in_processes(read, groups, name="tlkit-check", ahead=_AHEAD)
    else:
        results = in_threads(partial(read, facts_cache=facts_cache), groups, name="tlkit-check", ahead=_AHEAD)
    # Pillow warns of large images and odd metadata; the filter is set here because it is not safe to set in threads.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for (paths, is_mask), group_facts in zip(groups, results, strict=True):
            yield from zip(((path, is_mask) for path in paths), group_facts, strict=True)


def _read_group(
    group: tuple[Sequence[Path], bool],
    *,
    reading: FactsReading,
    keys: Mapping[bool, str],
    facts_cache: FactsCache | Path | None,
) -> list[Facts]:
    """Read a group of files; files with the same bytes are decoded once.

    Args:
        group: the files, and whether they are masks.
        reading: how to read them.
        keys: the cache keys of images and of masks.
        facts_cache: the facts from earlier checks; in a process, the folder that has them.
    """
    paths, is_mask = group
    cached = facts_cache if isinstance(facts_cache, FactsCache) else _cache_in(facts_cache)
    by_digest: dict[str, Facts] = {}
    facts = []
    for path in paths:
        try:
            data = read_file(path, reading.files.max_pixels)
        except BadImageError as error:
            facts.append(_problem(path, error))
            continue
        digest = hashlib.sha256(data).hexdigest()
        if digest not in by_digest:
            same = cached.same_bytes(digest, keys[is_mask])
            by_digest[digest] = same or _facts(path, data, digest, is_mask, reading)
        facts.append(by_digest[digest])
    return facts


@cache
def _cache_in(folder: Path | None) -> FactsCache:
    return FactsCache(folder)


def _facts(path: Path, data: bytes, digest: str, is_mask: bool, reading: FactsReading) -> Facts:
    try:
        with Picture(path, data, reading.files) as picture:
            facts = Facts(
                digest=digest,
                format=picture.format,
                mode=picture.mode,
                width=picture.size[1],
                height=picture.size[0],
                animated=picture.animated,
                orientation=picture.orientation,
            )
            if not is_mask:
                if not picture.deep:
                    grayed = picture.draft("L", (_SCALED, _SCALED))  # A JPEG is decoded small, and only its brightness.
                    picture_facts = _picture_facts(picture, facts)
                    if not (picture_facts.constant and grayed):
                        return picture_facts
                    # Pixels of the same brightness may differ in colour.
                    with Picture(path, data, reading.files) as reopened:
                        reopened.draft("RGB", (_SCALED, _SCALED))
                        return _picture_facts(reopened, facts)
                return _deep_facts(picture, facts)
        assert reading.table is not None
        raw = read_mask(path, data, reading.files)
        classes, between = classes_of(path, raw, reading.table)
        counts = np.bincount(classes.reshape(-1))
        return replace(
            facts,
            classes={str(number): int(counts[number]) for number in np.flatnonzero(counts)},
            between=between,
            palette={str(index): color for index, color in raw.used_palette().items()},
        )
    except BadImageError as error:
        return _problem(path, error, digest)


def _problem(path: Path, error: BadImageError, digest: str = "") -> Facts:
    return Facts(digest=digest, problem=error.kind, reason=str(error).removeprefix(f"{path}: "))


def _picture_facts(picture: Picture, facts: Facts) -> Facts:
    shown = picture.rgb(gray=True)
    constant = not np.diff(np.reshape(shown.getextrema(), (-1, 2))).any()
    return _with_hash(replace(facts, constant=constant), shown)


def _deep_facts(picture: Picture, facts: Facts) -> Facts:
    bands = picture.bands()
    nan = bands.values.dtype.kind == "f" and not np.isfinite(bands.values).all()
    # Stretched, whatever input.value_range is: a narrow range would leave nothing to compare.
    shown = bands.stretched()
    constant = bool((shown == shown[:1, :1]).all())
    facts = replace(facts, nan=nan, constant=constant, values=bands.used_range() if bands.deep else ())
    return _with_hash(facts, Image.fromarray(shown if shown.shape[2] == 3 else shown[..., 0]))


def _with_hash(facts: Facts, shown: Image.Image) -> Facts:
    unhashable = facts.nan or facts.constant or min(facts.width, facts.height) < _HASHED_SIDE
    return facts if unhashable else replace(facts, picture=_picture_hash(shown.convert("L")))


def _picture_hash(gray: Image.Image) -> str:
    from imagehash import phash

    if np.asarray(gray).std() < _FLAT:
        return ""
    return np.packbits(phash(gray, hash_size=_HASH_SIZE).hash).tobytes().hex()
