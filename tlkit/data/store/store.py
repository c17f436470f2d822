"""The store: every image decoded once, at the model's size, on disk, and cached for later runs."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tlkit.contracts import Sample, SampleSet, SetAside
from tlkit.data.images.source import file_of
from tlkit.data.store.decoding import Cached, Decoded, Decoding, Digests, decode_all
from tlkit.data.store.pool import Pool
from tlkit.data.store.read_digests import ReadDigests
from tlkit.data.store.rows import Rows
from tlkit.data.store.shards import unusable_note
from tlkit.errors import DataError
from tlkit.system.cache import images_folder, limit, make_room
from tlkit.system.disk import FullDiskError, free_bytes, full_disk_text, is_disk_full
from tlkit.system.text import size_text

Progress = Callable[[int, int], None]
"""Called with (done, total) as work progresses."""


@dataclass(frozen=True)
class Store:
    """Images and masks at the model's size, N of them.

    Args:
        images: uint8 (N, H, W, 3), on disk.
        masks: uint8 (N, H, W) class numbers and ``IGNORE``, on disk; None for classification.
        digests: SHA-256 of each sample's bytes, its mask's included.
        sizes: int32 (N, 2), (height, width) of each original.
        read: sample key → what the bytes of its files were, also of samples that can't be decoded.
    """

    images: np.ndarray | Rows
    masks: np.ndarray | Rows | None
    digests: Sequence[str]
    sizes: np.ndarray
    read: Mapping[str, Digests] = field(default_factory=dict)


class Filled(NamedTuple):
    """A store and the samples that are in it.

    Args:
        store: the decoded images.
        samples: the decoded samples, in the store's order.
        set_aside: the samples that can't be decoded, with the reason.
        notes: messages for the user.
    """

    store: Store
    samples: tuple[Sample, ...]
    set_aside: tuple[SetAside, ...]
    notes: tuple[str, ...] = ()


def fill_store(
    sample_set: SampleSet,
    decoding: Decoding,
    folder: Path,
    *,
    cache: bool = False,
    progress: Progress | None = None,
    early: Early | None = None,
) -> Filled:
    """Decode all samples in parallel into a store; memory does not grow with their number.

    Args:
        sample_set: the samples.
        decoding: how they are decoded.
        folder: where to write images that are not cached; it must exist.
        cache: cache the images of files for later runs, and use those that earlier runs cached.
        progress: called with (done, total) samples.
        early: what was decoded while the files were checked.

    Raises:
        FullDiskError: the disk has too little room.
        DataError: the store can't be written for another reason.
    """
    if early is not None and (completed := _complete(early, sample_set, decoding, progress)) is not None:
        return completed
    samples = sample_set.samples
    with_masks = any(sample.mask is not None for sample in samples)
    needed = _needed(sample_set, decoding)
    notes: tuple[str, ...] = ()
    if cache and all(file_of(sample.image) is not None for sample in samples):
        filled = _fill_cache(sample_set, decoding, needed, progress)
        if isinstance(filled, Filled):
            return filled
        notes = (_not_cached(filled),)
    _check_room(folder, needed)
    try:
        pool = Pool(folder, decoding.size, with_masks=with_masks)
        filled = _fill(sample_set, decoding, pool, progress)
        return filled._replace(notes=(*notes, *filled.notes))
    except OSError as error:
        if is_disk_full(error):
            _check_room(folder, needed)
        raise DataError(f"{error.filename or folder}: can't be written: {error.strerror or error}") from error


class Early:
    """Images that are decoded while their files are checked, so that each file is read once. A context manager.

    Args:
        pool: where the images are kept.
        decoding: how they are decoded.
        notes: messages for the user.
        is_cached: whether the pool is that of the cache folder.
    """

    def __init__(self, pool: Pool, decoding: Decoding, notes: tuple[str, ...] = (), *, is_cached: bool = False) -> None:
        self.decoding = decoding
        self.is_cached = is_cached
        self.notes = notes
        self.pool: Pool | None = pool
        self._kept: dict[str, Cached] = {}
        self._used: dict[str, Cached] = {}

    def keep(self, decoded: Decoded) -> None:
        """Keep an image; a failure to write only means that files are read again later."""
        if self.pool is None or self.find(decoded.digest) is not None:
            return
        try:
            place = self.pool.add(decoded)
        except OSError:
            self.abandon()
        else:
            self._kept[decoded.digest] = Cached(place, decoded.digest, decoded.size)

    def use(self, digests: Mapping[str, str]) -> None:
        """Say which samples need not be read again: those whose files were read just now.

        Args:
            digests: sample key → SHA-256 of the bytes that were read.
        """
        found = ((key, self.find(digest)) for key, digest in digests.items())
        self._used = {key: cached for key, cached in found if cached is not None}

    def get(self, key: str) -> Cached | None:
        """Return the image of a sample that need not be read again."""
        return self._used.get(key)

    def find(self, digest: str) -> Cached | None:
        """Return an image that was kept, or that an earlier run decoded. Safe to call from several threads."""
        pool = self.pool
        return None if pool is None else self._kept.get(digest) or pool.find(digest)

    def abandon(self) -> None:
        """Remove what was kept."""
        pool, self.pool, self._kept, self._used = self.pool, None, {}, {}
        if pool is not None:
            pool.abandon()

    def __enter__(self) -> Early:
        return self

    def __exit__(self, error: type[BaseException] | None, *rest: object) -> None:
        if error is not None:
            self.abandon()


def open_early(sample_set: SampleSet, decoding: Decoding, folder: Path, *, cache: bool) -> Early | None:
    """Return where to keep images that are decoded early; None where masks belong to them, or there is no room.

    The arguments are those of ``fill_store``.
    """
    if not all(file_of(each.image) is not None and each.mask is None for each in sample_set.samples):
        return None
    needed = _needed(sample_set, decoding)
    reason = ""
    try:
        if cache:
            root = images_folder()
            reason = _no_room_to_cache(root, needed)
            if not reason:
                root.mkdir(parents=True, exist_ok=True)
                pool = Pool(root, decoding.size, with_masks=False, settings=decoding.digest(None))
                return Early(pool, decoding, is_cached=True)
        if needed > free_bytes(folder):
            return None
        notes = (_not_cached(reason),) if reason else ()
        return Early(Pool(folder, decoding.size, with_masks=False), decoding, notes)
    except OSError:
        return None  # fill_store says what is wrong


def _complete(early: Early, sample_set: SampleSet, decoding: Decoding, progress: Progress | None) -> Filled | None:
    """Fill a store with the images that were decoded early and the others; None if it can't be written."""
    pool = early.pool
    if pool is None:
        return None
    try:
        filled = _fill(sample_set, decoding, pool, progress, early)
        if early.is_cached:
            make_room(0)
    except OSError:
        early.abandon()
        return None
    return filled._replace(notes=(*early.notes, *filled.notes))


def _needed(sample_set: SampleSet, decoding: Decoding) -> int:
    """Return the bytes that the decoded samples take."""
    channels = 4 if any(sample.mask is not None for sample in sample_set.samples) else 3
    return len(sample_set.samples) * decoding.size[0] * decoding.size[1] * channels


def _not_cached(reason: str) -> str:
    return f"decoded images are not cached for later runs: {reason}"


def _fill_cache(sample_set: SampleSet, decoding: Decoding, needed: int, progress: Progress | None) -> Filled | str:
    """Fill a store in the user's cache folder; return the reason where that is not possible."""
    root = images_folder()
    reason = _no_room_to_cache(root, needed)
    if reason:
        return reason
    pool = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        with_masks = any(sample.mask is not None for sample in sample_set.samples)
        settings = decoding.digest(sample_set.mask_table if with_masks else None)
        pool = Pool(root, decoding.size, with_masks=with_masks, settings=settings)
        filled = _fill(sample_set, decoding, pool, progress)
        make_room(0)
        return filled
    except OSError as error:
        if pool is not None:
            pool.abandon()
        return f"{error.filename or root}: {error.strerror or error}"


def _fill(
    sample_set: SampleSet, decoding: Decoding, pool: Pool, progress: Progress | None, early: Early | None = None
) -> Filled:
    used: list[Sample] = []
    places, sizes = array("q"), array("i")
    read = ReadDigests()
    set_aside: list[SetAside] = []
    rest = sample_set.samples
    if early is not None:
        rest = tuple(sample for sample in rest if early.get(sample.key) is None)
    results = decode_all(replace(sample_set, samples=rest), decoding, pool.find)
    for done, sample in enumerate(sample_set.samples, 1):
        ready = None if early is None else early.get(sample.key)
        result: Decoded | Cached | DataError
        if ready is None:
            _, result, digests = next(results)
        else:
            result, digests = ready, Digests(ready.digest, ready.digest, "")
        if digests is not None:
            read.add(sample.key, digests)
        if isinstance(result, DataError):
            set_aside.append(SetAside(sample.key, str(result)))
        else:
            places.extend(result.place if isinstance(result, Cached) else pool.add(result))
            used.append(sample)
            sizes.extend(result.size)
        if progress is not None:
            progress(done, len(sample_set.samples))
    pool.close()
    where = np.array(places, np.int64).reshape(-1, 2)
    none = np.zeros((0, *pool.size, 3), np.uint8)
    masks = Rows(pool.masks or [none[..., 0]], where) if pool.with_masks else None
    store = Store(
        Rows(pool.images or [none], where),
        masks,
        read.whole(each.key for each in used),
        np.array(sizes, np.int32).reshape(-1, 2),
        read,
    )
    pool.mark_used(np.unique(where[:, 0]).tolist())
    return Filled(store, tuple(used), tuple(set_aside), unusable_note("cached images", "decoded", pool.unusable))


def _no_room_to_cache(root: Path, needed: int) -> str:
    if needed > limit():
        return f"they take {size_text(needed)}, but tlkit cache limit allows {size_text(limit())}"
    existing = next(folder for folder in (root, *root.parents) if folder.is_dir())
    free = free_bytes(existing)
    if needed > 0.9 * free:
        return f"they take {size_text(needed)}, but only {size_text(free)} are free in {existing}"
    return ""


def _check_room(folder: Path, needed: int) -> None:
    if needed > free_bytes(folder):
        raise FullDiskError(
            f"{folder}: {full_disk_text(folder, needed, 'the decoded images need')}. Free some space, then continue "
            "with tlkit resume; or choose a run folder on another disk with --out, or lower input.image_size"
        )
