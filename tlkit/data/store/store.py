"""The store: every image decoded from its original once, at the model's size, on disk, and kept for later runs."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np

from tlkit.contracts import ImageSize, Sample, SampleSet, SetAside
from tlkit.data.images.decode import DECODING, Resize, decode_to_size, fit_image, fit_mask
from tlkit.data.images.image_file import read_file
from tlkit.data.images.mask_decode import decode_mask
from tlkit.data.store.shards import Rows, read_shard, shard_names, write_shard
from tlkit.errors import DataError
from tlkit.system.cache import ABOUT, images_folder, limit, make_room, mark_used
from tlkit.system.disk import FullDiskError, free_bytes, is_disk_full, write_atomically
from tlkit.system.parallel import in_threads

Progress = Callable[[int, int], None]

_SHARD_BYTES = 32e6


@dataclass(frozen=True)
class Store:
    """Images and masks at the model's size.

    Args:
        images: uint8 (N, H, W, 3), on disk.
        masks: uint8 (N, H, W) class numbers and ``IGNORE``, on disk; None for classification.
        digests: SHA-256 of each sample's bytes, its mask's included.
        sizes: int32 (N, 2), (height, width) of each original.
    """

    images: np.ndarray | Rows
    masks: np.ndarray | Rows | None
    digests: tuple[str, ...]
    sizes: np.ndarray


@dataclass(frozen=True)
class _Decoded:
    image: np.ndarray
    mask: np.ndarray | None
    digest: str
    size: ImageSize


@dataclass(frozen=True)
class _Found:
    """An image that an earlier run decoded."""

    place: tuple[int, int]
    digest: str
    size: ImageSize


_Result = _Decoded | _Found | DataError
_Find = Callable[[str], _Found | None]


def fill_store(
    sample_set: SampleSet,
    size: ImageSize,
    resize: Resize,
    folder: Path,
    progress: Progress | None = None,
    *,
    keep: bool = False,
    max_pixels: int | None = None,
) -> tuple[Store, tuple[Sample, ...], tuple[SetAside, ...], tuple[str, ...]]:
    """Decode all samples in parallel into a store; memory does not grow with their number.

    Args:
        sample_set: what the data set found.
        size: (height, width) of the store's images.
        resize: how images come to it.
        folder: where the store is written that is not kept.
        progress: told (done, total).
        keep: whether to keep images of files for later runs, and to use those that earlier runs kept.
        max_pixels: an image whose header has more is set aside; None: ``image_file.MAX_PIXELS``.

    Returns:
        the store, the samples that are in it in its order, those that could not be decoded, with the reason, and what
        is worth telling the user.

    Raises:
        FullDiskError: the disk has too little room.
        DataError: the store can't be written for another reason.
    """
    samples = sample_set.samples
    with_masks = any(sample.mask is not None for sample in samples)
    needed = len(samples) * size[0] * size[1] * (4 if with_masks else 3)
    notes: list[str] = []
    if keep and all(isinstance(sample.image, Path) for sample in samples):
        root = images_folder()
        reason = _no_room_to_keep(root, needed)
        if not reason:
            pool = None
            try:
                root.mkdir(parents=True, exist_ok=True)
                pool = _Pool(root, _settings(sample_set, size, resize, with_masks), size, with_masks)
                filled = _fill(sample_set, size, resize, pool, progress, max_pixels)
                make_room(0)
                return *filled, ()
            except OSError as error:
                reason = f"{error.filename or root}: {error.strerror or error}"
                if pool is not None:
                    pool.abandon()
        notes.append(f"decoded images are not kept for later runs: {reason}")
    _check_room(folder, needed)
    try:
        pool = _Pool(folder, "", size, with_masks)
        return *_fill(sample_set, size, resize, pool, progress, max_pixels), tuple(notes)
    except OSError as error:
        if is_disk_full(error):
            _check_room(folder, needed)
        raise DataError(f"{error.filename or folder}: can't be written: {error.strerror or error}") from error


def _fill(
    sample_set: SampleSet,
    size: ImageSize,
    resize: Resize,
    pool: _Pool,
    progress: Progress | None,
    max_pixels: int | None,
) -> tuple[Store, tuple[Sample, ...], tuple[SetAside, ...]]:
    used: list[Sample] = []
    places: list[tuple[int, int]] = []
    digests: list[str] = []
    sizes: list[ImageSize] = []
    set_aside: list[SetAside] = []
    for done, (sample, result) in enumerate(_decode_all(sample_set, size, resize, pool.find, max_pixels), 1):
        if isinstance(result, DataError):
            set_aside.append(SetAside(sample.key, str(result)))
        else:
            places.append(result.place if isinstance(result, _Found) else pool.add(result))
            used.append(sample)
            digests.append(result.digest)
            sizes.append(result.size)
        if progress is not None:
            progress(done, len(sample_set.samples))
    pool.close()
    where = np.array(places, np.int64).reshape(-1, 2)
    none = np.zeros((0, *pool.size, 3), np.uint8)
    masks = Rows(pool.masks or [none[..., 0]], where) if pool.with_masks else None
    store = Store(Rows(pool.images or [none], where), masks, tuple(digests), np.array(sizes, np.int32).reshape(-1, 2))
    pool.mark_used(where)
    return store, tuple(used), tuple(set_aside)


class _Pool:
    """Decoded images by the digests of their files, in the shards of all runs with the same settings.

    Each run that decodes images writes a folder of its own, so that runs at the same time do not meet.

    Args:
        root: of the folders.
        settings: what the images depend on besides the file; empty: no earlier run's images are used.
        size: (height, width).
        with_masks: whether there are masks.
    """

    def __init__(self, root: Path, settings: str, size: ImageSize, with_masks: bool) -> None:
        self.with_masks = with_masks
        self.images: list[np.ndarray] = []
        self.masks: list[np.ndarray] = []
        self._known: dict[str, _Found] = {}
        self._whole: dict[int, bool] = {}
        self._lock = Lock()
        self._root = root
        self._prefix = f"{settings}-"
        self.size = size
        self._shards: list[tuple[Path, str]] = []
        self._new: Path | None = None
        self._count = 0
        self._most = max(1, int(_SHARD_BYTES / (size[0] * size[1] * 3)))
        self._waiting: list[_Decoded] = []
        self._writer = ThreadPoolExecutor(1, "tlkit-store")
        self._writing: Future[None] | None = None
        if settings:
            for folder in sorted(root.glob(f"{self._prefix}*")):
                for name in shard_names(folder):
                    for row, (digest, original) in enumerate(self._read(folder, name)):
                        self._known[digest] = _Found((len(self.images) - 1, row), digest, original)
        self._next = len(self.images)

    def find(self, digest: str) -> _Found | None:
        """An image that an earlier run kept; a shard is read through and checked when it is first used.

        Safe to call from several threads. Images that were added are not found.
        """
        found = self._known.get(digest)
        if found is None:
            return None
        number = found.place[0]
        with self._lock:
            if number not in self._whole:
                self._whole[number] = read_shard(*self._shards[number], check=True) is not None
        return found if self._whole[number] else None

    def _read(self, folder: Path, name: str) -> list[tuple[str, ImageSize]]:
        """Open a shard.

        Returns:
            its images' digests and original sizes; nothing when it is not usable.
        """
        found = read_shard(folder, name, check=False)
        if found is None:
            return []
        arrays, note = found
        digests, sizes = note.get("digests", ()), note.get("sizes", ())
        expected: dict[str, tuple[int, ...]] = {"images": (len(digests), *self.size, 3)}
        if self.with_masks:
            expected["masks"] = (len(digests), *self.size)
        shapes = {key: values.shape for key, values in arrays.items() if values.dtype == np.uint8}
        if shapes != expected or len(sizes) != len(digests):
            return []
        self.images.append(arrays["images"])
        self._shards.append((folder, name))
        if self.with_masks:
            self.masks.append(arrays["masks"])
        return [(str(digest), (int(size[0]), int(size[1]))) for digest, size in zip(digests, sizes, strict=True)]

    def add(self, decoded: _Decoded) -> tuple[int, int]:
        """Take an image in.

        Returns:
            its shard and row, valid once the pool is closed.
        """
        if len(self._waiting) == self._most:
            self._flush()
        self._waiting.append(decoded)
        return self._next, len(self._waiting) - 1

    def _flush(self) -> None:
        """Have what waits written, beside the decoding; one shard at a time is in memory for it."""
        self._written()
        if self._new is None:
            self._new = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._root))
        waiting, self._waiting = self._waiting, []
        self._writing = self._writer.submit(self._write, self._new, waiting)
        self._next += 1

    def _written(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, folder: Path, waiting: Sequence[_Decoded]) -> None:
        arrays = {"images": np.stack([each.image for each in waiting])}
        if self.with_masks:
            arrays["masks"] = np.stack([each.mask for each in waiting if each.mask is not None])
        name = f"{self._count // self._most:04d}"
        self._count += len(waiting)
        note = {"digests": [each.digest for each in waiting], "sizes": [each.size for each in waiting]}
        write_shard(folder, name, arrays, note)
        if not self._read(folder, name):
            raise OSError(0, "is not as it was written", str(folder / name))

    def close(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._flush()
        self._written()
        self._writer.shutdown()
        if self._new is not None:
            about = f"{self._count} images, {self.size[1]} x {self.size[0]}{', masks' if self.with_masks else ''}"
            write_atomically(self._new / ABOUT, about + "\n")

    def abandon(self) -> None:
        """Give back the room that was taken."""
        self._writer.shutdown()
        if self._new is not None:
            shutil.rmtree(self._new, ignore_errors=True)

    def mark_used(self, places: np.ndarray) -> None:
        """Note which folders are in use."""
        for number in np.unique(places[:, 0]):
            mark_used(self._shards[number][0])


def _settings(sample_set: SampleSet, size: ImageSize, resize: Resize, with_masks: bool) -> str:
    """What decoded images depend on besides their files."""
    table = sample_set.mask_table if with_masks else None
    values = None if table is None else (sorted(table.values.items(), key=str), table.default)
    text = f"{DECODING} {size} {resize} {values}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _no_room_to_keep(root: Path, needed: int) -> str:
    if needed > limit():
        return f"they take {needed / 1e9:.1f} GB, but tlkit cache limit allows {limit() / 1e9:g} GB"
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    free = free_bytes(there)
    if needed > 0.9 * free:
        return f"they take {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free below {there}"
    return ""


def _check_room(folder: Path, needed: int) -> None:
    free = free_bytes(folder)
    if needed > free:
        raise FullDiskError(
            f"{folder}: the disk is full: the decoded images need {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB are free, "
            f"{(needed - free) / 1e6:.1f} MB are missing. Make room, then go on with tlkit resume; or give a run "
            "folder on another disk with --out, or lower input.image_size"
        )


def _decode_all(
    sample_set: SampleSet, size: ImageSize, resize: Resize, find: _Find, max_pixels: int | None
) -> Iterator[tuple[Sample, _Result]]:
    """In the samples' order; at most a few batches of results wait in memory."""

    def decode(sample: Sample) -> tuple[Sample, _Result]:
        return sample, _decode(sample, sample_set, size, resize, find, max_pixels)

    # Pillow warns of large images and odd metadata; the filter is set here because it is not safe to set in threads.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from in_threads(decode, sample_set.samples, name="tlkit-decode", ahead=8)


def _decode(
    sample: Sample, sample_set: SampleSet, size: ImageSize, resize: Resize, find: _Find, max_pixels: int | None
) -> _Result:
    try:
        image_bytes, mask_bytes = _bytes_of(sample.image, max_pixels), _bytes_of(sample.mask, max_pixels)
        if isinstance(sample.image, Path):
            digest = _digest(image_bytes, mask_bytes, sample, sample_set)
            found = find(digest)
            if found is not None:
                return found
            image, original = decode_to_size(sample.image, image_bytes, size, resize, max_pixels)
        else:
            assert sample_set.images is not None
            row = np.ascontiguousarray(sample_set.images[sample.image])
            digest = _digest(row.tobytes(), mask_bytes, sample, sample_set)
            original = (int(row.shape[0]), int(row.shape[1]))
            image = fit_image(np.repeat(row[:, :, None], 3, axis=2) if row.ndim == 2 else row, size, resize)
        mask = _mask(sample, sample_set, mask_bytes, max_pixels)
    except DataError as error:
        return error
    if mask is not None and mask.shape != original:
        return DataError(
            f"{sample.mask}: the mask is {mask.shape[1]} x {mask.shape[0]} pixels, "
            f"its image {original[1]} x {original[0]}"
        )
    return _Decoded(image, None if mask is None else fit_mask(mask, size, resize), digest, original)


def _bytes_of(file: Path | int | None, max_pixels: int | None) -> bytes | None:
    return read_file(file, max_pixels) if isinstance(file, Path) else None


def _digest(image: bytes | None, mask: bytes | None, sample: Sample, sample_set: SampleSet) -> str:
    digest = hashlib.sha256(image or b"")
    if isinstance(sample.mask, int):
        assert sample_set.masks is not None
        digest.update(np.ascontiguousarray(sample_set.masks[sample.mask]).tobytes())
    digest.update(mask or b"")
    return digest.hexdigest()


def _mask(sample: Sample, sample_set: SampleSet, data: bytes | None, max_pixels: int | None) -> np.ndarray | None:
    if isinstance(sample.mask, Path):
        assert sample_set.mask_table is not None
        return decode_mask(sample.mask, sample_set.mask_table, data, max_pixels)
    if sample.mask is None:
        return None
    assert sample_set.masks is not None
    return np.ascontiguousarray(sample_set.masks[sample.mask])


def listing(set_aside: Sequence[SetAside], most: int = 20) -> str:
    """The files that were set aside, a line each."""
    lines = [f"  {each.key}: {each.reason}" for each in set_aside[:most]]
    if len(set_aside) > most:
        lines.append(f"  and {len(set_aside) - most} more")
    return "\n".join(lines)
