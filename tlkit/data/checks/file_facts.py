"""Read the facts of files: decode and hash them in parallel, or take them from an earlier check."""

from __future__ import annotations

import hashlib
import warnings
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import chain
from pathlib import Path

from tlkit.data.checks.facts import Facts
from tlkit.data.checks.facts_cache import FactsCache, version_of
from tlkit.data.checks.facts_column import FactsColumn
from tlkit.data.checks.one_file import FactsReading, facts_of, problem_of
from tlkit.data.checks.picture_hash import PictureHashes
from tlkit.data.checks.spread_facts import SpreadFacts
from tlkit.data.images.image_file import BadImageError, read_file
from tlkit.data.store.decoding import Decoded, Decoding, Find, decode_file, group_size
from tlkit.data.store.store import Early
from tlkit.system.keyed import Blobs
from tlkit.system.parallel import in_processes, in_threads

FOR_PROCESSES = 4000
"""The number of files from which it pays to start processes. Half of the work needs Python's lock, so two
threads are hardly faster than one; processes are twice as fast once they have started."""

_GROUP = 32
"""Files per task of a thread or process: handing over a task costs more than decoding a small file."""
_AHEAD = 2
"""Tasks per thread or process that are handed over ahead of their results."""


WantedFile = tuple[Path, bool]
"""A file to read, and whether it is a mask."""


def read_facts(
    wanted: Sequence[WantedFile],
    reading: FactsReading,
    facts_cache: FactsCache,
    progress: Callable[[int, int], None] | None = None,
    early: Early | None = None,
    spread: SpreadFacts | None = None,
) -> tuple[FactsColumn, bytearray]:
    """Read files in parallel. Unchanged files are not read again; only a few are in memory at once.

    Args:
        wanted: the files to read.
        reading: how to read them.
        facts_cache: the facts from earlier checks; new ones are added, and it is closed.
        progress: called with (done, total) files.
        early: where to keep images that are decoded to the model's size meanwhile; None: they are not.
        spread: the workers of a cluster that read the files; None: this process does, and its own.

    Returns:
        the facts in the order of ``wanted``, and 1 for each of these files that was read.
    """
    keys = {is_mask: reading.cache_key(is_mask) for is_mask in (False, True)}
    looked_up = in_threads(
        lambda group: _look_up(*group, keys, facts_cache),
        _grouped(wanted, range(len(wanted))),
        name="tlkit-check",
        ahead=_AHEAD,
    )
    found, is_read = FactsColumn(len(wanted)), bytearray(len(wanted))
    changed, its_versions = array("q"), Blobs()
    place = 0
    try:
        for known, versions in looked_up:
            for facts, version in zip(known, versions, strict=True):
                if facts is None:
                    changed.append(place)
                    its_versions.append(version or b"")
                    is_read[place] = 1
                else:
                    found[place] = facts
                place += 1
            if progress is not None and len(changed) < place:
                progress(place - len(changed), len(wanted))
        done = place - len(changed)
        results = _read_all(wanted, changed, reading, keys, (facts_cache, spread), early)
        for version, (place, facts, decoded) in zip(its_versions, results, strict=True):
            found[place] = facts
            if decoded is not None and early is not None:
                early.keep(decoded)
            if facts.digest:
                path, is_mask = wanted[place]
                facts_cache.add(path, version or None, keys[is_mask], facts)
            done += 1
            if progress is not None:
                progress(done, len(wanted))
    finally:
        facts_cache.close()  # what an interrupted check has read, too
    return found, is_read


def _grouped(
    wanted: Sequence[WantedFile], places: Sequence[int], size: int = _GROUP
) -> Iterator[tuple[list[Path], bool]]:
    """Yield groups of up to ``size`` images or masks, of those that are wanted at these places."""
    group: list[Path] = []
    before = False
    for place in places:
        path, is_mask = wanted[place]
        if group and (len(group) == size or is_mask != before):
            yield group, before
            group = []
        group.append(path)
        before = is_mask
    if group:
        yield group, before


def _look_up(
    paths: Sequence[Path], is_mask: bool, keys: Mapping[bool, str], facts_cache: FactsCache
) -> tuple[list[Facts | None], list[bytes | None]]:
    """Return the cached facts of each file, None if it changed; and the text of its version."""
    versions: list[bytes | None] = []
    for path in paths:
        try:
            version = version_of(path)
        except (OSError, ValueError):
            version = None  # Reading the file will show why.
        versions.append(None if version is None else version.text)
    return facts_cache.unchanged(paths, versions, keys[is_mask]), versions


def _read_all(
    wanted: Sequence[WantedFile],
    places: Sequence[int],
    reading: FactsReading,
    keys: Mapping[bool, str],
    sources: tuple[FactsCache, SpreadFacts | None],
    early: Early | None,
) -> Iterator[tuple[int, Facts, Decoded | None]]:
    """Read the files at some places of ``wanted`` in threads; if there are many, in processes; or in a cluster."""
    facts_cache, spread = sources
    decoding = None if early is None else early.decoding
    read = partial(_read_group, reading=reading, keys=keys, decoding=decoding)
    groups = _grouped(wanted, places, _GROUP if decoding is None else group_size(decoding.size))
    if spread is not None:
        results = spread.read(partial(read, facts_cache=None, decoding=None), groups)
    elif len(places) >= FOR_PROCESSES:
        read = partial(read, facts_cache=facts_cache.folder)
        results = in_processes(read, groups, name="tlkit-check", ahead=_AHEAD)
    else:
        read = partial(read, facts_cache=facts_cache, find=None if early is None else early.find)
        results = in_threads(read, groups, name="tlkit-check", ahead=_AHEAD)
    # Pillow warns of large images and odd metadata; the filter is set here because it is not safe to set in threads.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place, (facts, decoded) in zip(places, chain.from_iterable(results), strict=True):
            yield place, facts, decoded


def _read_group(
    group: tuple[Iterable[Path], bool],
    *,
    reading: FactsReading,
    keys: Mapping[bool, str],
    facts_cache: FactsCache | Path | None,
    decoding: Decoding | None,
    find: Find | None = None,
) -> list[tuple[Facts, Decoded | None]]:
    """Read a group of files; files with the same bytes are decoded once.

    Args:
        group: the files, and whether they are masks.
        reading: how to read them.
        keys: the cache keys of images and of masks.
        facts_cache: the facts from earlier checks; in a process, the folder that has them.
        decoding: how images are also decoded to the model's size; None: not at all.
        find: looks up images that need not be decoded; None: there are none.
    """
    paths, is_mask = group
    cached = facts_cache if isinstance(facts_cache, FactsCache) else _cache_in(facts_cache)
    hashes = PictureHashes()
    by_digest: dict[str, tuple[Facts, Decoded | None]] = {}
    found: list[tuple[Facts, Decoded | None]] = []
    for path in paths:
        try:
            data = read_file(path, reading.files.max_pixels)
        except BadImageError as error:
            found.append((problem_of(path, error), None))
            continue
        digest = hashlib.sha256(data).hexdigest()
        if digest not in by_digest:
            wanted = None if is_mask or (find is not None and find(digest)) else decoding
            facts, decoded = cached.same_bytes(digest, keys[is_mask]), None
            if facts is None:
                facts, decoded = facts_of(path, data, digest, is_mask, reading, hashes, wanted)
            by_digest[digest] = facts, None
            if wanted is not None and not facts.problem:
                found.append((facts, decoded or decode_file(path, data, digest, wanted)))
                continue
        found.append(by_digest[digest])
    made = hashes.made()
    return [
        (replace(facts, picture=made[facts.digest]) if facts.digest in made else facts, decoded)
        for facts, decoded in found
    ]


@cache
def _cache_in(folder: Path | None) -> FactsCache:
    return FactsCache(folder)
