"""What there is to know of each file: read, decoded and hashed in parallel, or known from an earlier check."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit.contracts import MaskTable
from tlkit.data.checks.facts_cache import FactsCache, Version
from tlkit.data.images.decode import decoded
from tlkit.data.images.image_file import BadImageError, is_animated, open_image, read_file, stands_on_its_side
from tlkit.data.images.mask_decode import decode_mask
from tlkit.system.parallel import in_processes, in_threads

FACTS = 3
"""Raised when the facts of the same bytes change, so that those that are kept are not used."""

_SCALED = 64
"""Pixels a side that a JPEG keeps at least when it is scaled while it is decoded; every byte of it is still read."""
_AT_ONCE = 32
"""Files that a thread looks at in one go: handing over each costs more than decoding a small one."""
_AHEAD = 2
"""Of these, handed over to each thread before they are needed."""
FOR_PROCESSES = 4000
"""Files to read for which it pays to begin processes. Half of what there is to do needs Python's lock, so that two
threads are hardly faster than one; processes are twice as fast, once they have begun."""
_HASHED_SIDE = 32
_HASH_SIZE = 16
_FLAT = 2.0
"""Standard deviation in grey levels below which an image shows too little to be recognised by it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one file.

    Args:
        digest: SHA-256 of its bytes; empty if it can't be read.
        problem: an ``image_file.BadKind``; empty if it can be decoded.
        reason: of the problem, without the file's name.
        format, mode: Pillow's names.
        width, height: in pixels, turned as the EXIF orientation says.
        animated: whether it has several frames.
        constant: whether all pixels are the same.
        nan: whether it has values that are not finite.
        picture: perceptual hash, 64 hexadecimal digits; empty for masks, small and flat images.
        classes: of a mask: class number, as text → pixels.
    """

    digest: str = ""
    problem: str = ""
    reason: str = ""
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    animated: bool = False
    constant: bool = False
    nan: bool = False
    picture: str = ""
    classes: Mapping[str, int] = field(default_factory=dict)


Wanted = tuple[Path, bool]
"""A file to look at, and whether it is a mask."""


@dataclass(frozen=True)
class Reading:
    """How files are looked at.

    Args:
        max_pixels: an image whose header has more is not decoded.
        table: how the pixels of masks name classes; None where there are no masks.
    """

    max_pixels: int
    table: MaskTable | None

    def settings(self, is_mask: bool) -> str:
        """What the facts of a file depend on besides its bytes."""
        text = f"{FACTS} {self.max_pixels}"
        if is_mask and self.table is not None:
            text += f" {sorted(self.table.values.items(), key=str)} {self.table.default}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_facts(
    wanted: Sequence[Wanted], reading: Reading, kept: FactsCache, progress: Callable[[int, int], None] | None = None
) -> tuple[list[Facts], int]:
    """Look at files in parallel. Only a few are in memory at once.

    Args:
        wanted: the files.
        reading: how.
        kept: what earlier checks found, and where it is written what this one finds.
        progress: told (done, total).

    Returns:
        the facts in the order of ``wanted``; and how many files were read: the others are as they were.
    """
    settings = {is_mask: reading.settings(is_mask) for is_mask in (False, True)}
    looked_up = in_threads(
        lambda group: _known(*group, settings, kept), _grouped(wanted), name="tlkit-check", ahead=_AHEAD
    )
    found: dict[Wanted, Facts] = {}
    changed: dict[Wanted, Version | None] = {}
    for known, unknown in looked_up:
        found |= known
        changed |= unknown
        if progress is not None and known:
            progress(len(found), len(wanted))
    for file, facts in _read_all(list(changed), reading, settings, kept):
        found[file] = facts
        version = changed[file]
        if facts.digest and version is not None:
            about = {key: getattr(facts, key) for key in Facts.__slots__}
            kept.keep(file[0], version, settings[file[1]], facts.digest, about)
        if progress is not None:
            progress(len(found), len(wanted))
    kept.close()
    return [found[file] for file in wanted], len(changed)


def _grouped(wanted: Iterable[Wanted]) -> Iterator[tuple[list[Path], bool]]:
    """A few files of one kind at a time."""
    for is_mask, files in groupby(wanted, key=itemgetter(1)):
        paths = (path for path, _ in files)
        while some := list(islice(paths, _AT_ONCE)):
            yield some, is_mask


def _known(
    paths: Sequence[Path], is_mask: bool, settings: Mapping[bool, str], kept: FactsCache
) -> tuple[dict[Wanted, Facts], dict[Wanted, Version | None]]:
    """The facts of files that are as they were, and the versions of the others."""
    versions: dict[Path, Version | None] = {}
    for path in paths:
        try:
            status = path.stat()
            versions[path] = status.st_size, status.st_mtime_ns
        except (OSError, ValueError):
            versions[path] = None  # reading it will tell why
    there = {path: version for path, version in versions.items() if version is not None}
    known = kept.unchanged(there, settings[is_mask])
    return (
        {(path, is_mask): Facts(**each) for path, each in known.items()},
        {(path, is_mask): version for path, version in versions.items() if path not in known},
    )


def _read_all(
    wanted: Sequence[Wanted], reading: Reading, settings: Mapping[bool, str], kept: FactsCache
) -> Iterator[tuple[Wanted, Facts]]:
    """Read files, in threads or, where there are many, in processes."""
    read = partial(_read_some, reading=reading, settings=settings)
    groups = list(_grouped(wanted))
    if len(wanted) >= FOR_PROCESSES:
        results = in_processes(partial(read, kept=kept.folder), groups, name="tlkit-check", ahead=_AHEAD)
    else:
        results = in_threads(partial(read, kept=kept), groups, name="tlkit-check", ahead=_AHEAD)
    # Pillow warns of large images and odd metadata; the filter is set here because it is not safe to set in threads.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for (paths, is_mask), found in zip(groups, results, strict=True):
            yield from zip(((path, is_mask) for path in paths), found, strict=True)


def _read_some(
    group: tuple[Sequence[Path], bool],
    *,
    reading: Reading,
    settings: Mapping[bool, str],
    kept: FactsCache | Path | None,
) -> list[Facts]:
    paths, is_mask = group
    earlier = kept if isinstance(kept, FactsCache) else _kept_in(kept)
    of_digest: dict[str, Facts] = {}
    found = []
    for path in paths:
        try:
            data = read_file(path, reading.max_pixels)
        except BadImageError as error:
            found.append(_problem(path, error))
            continue
        digest = hashlib.sha256(data).hexdigest()
        if digest not in of_digest:
            same = earlier.same_bytes(digest, settings[is_mask])
            of_digest[digest] = Facts(**same) if same is not None else _facts(path, data, digest, is_mask, reading)
        found.append(of_digest[digest])
    return found


@cache
def _kept_in(folder: Path | None) -> FactsCache:
    return FactsCache(folder)


def _facts(path: Path, data: bytes, digest: str, is_mask: bool, reading: Reading) -> Facts:
    try:
        with open_image(path, data, reading.max_pixels) as image:
            width, height = reversed(image.size) if stands_on_its_side(path, image) else image.size
            about = Facts(
                digest=digest,
                format=image.format or "",
                mode=f"{image.mode} transparency" if "transparency" in image.info else image.mode,
                width=width,
                height=height,
                animated=is_animated(image),
            )
            if not is_mask:
                found = _picture_facts(path, image, about)
                if not found.constant or image.mode == about.mode:
                    return found
                with open_image(path, data, reading.max_pixels) as again:  # one brightness may have several colours
                    return _picture_facts(path, again, about, "RGB")
        assert reading.table is not None
        counts = np.bincount(decode_mask(path, reading.table, data, reading.max_pixels).reshape(-1))
        return replace(about, classes={str(number): int(counts[number]) for number in np.flatnonzero(counts)})
    except BadImageError as error:
        return _problem(path, error, digest)


def _problem(path: Path, error: BadImageError, digest: str = "") -> Facts:
    return Facts(digest=digest, problem=error.kind, reason=str(error).removeprefix(f"{path}: "))


def _picture_facts(path: Path, image: Image.Image, about: Facts, mode: str = "L") -> Facts:
    image.draft(mode, (_SCALED, _SCALED))  # a JPEG is decoded small, and its brightness alone
    picture = decoded(path, image, gray=True)
    nan = image.mode == "F" and not np.isfinite(np.asarray(image)).all()
    constant = not np.diff(np.reshape(picture.getextrema(), (-1, 2))).any()
    unseen = nan or constant or min(about.width, about.height) < _HASHED_SIDE
    return replace(about, nan=nan, constant=constant, picture="" if unseen else _picture_hash(picture.convert("L")))


def _picture_hash(gray: Image.Image) -> str:
    from imagehash import phash

    if np.asarray(gray).std() < _FLAT:
        return ""
    return np.packbits(phash(gray, hash_size=_HASH_SIZE).hash).tobytes().hex()
