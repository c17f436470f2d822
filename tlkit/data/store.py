"""The store: every image decoded from its original once a run, at the model's size, on disk and memory-mapped."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlkit.contracts import ImageSize, Sample, SampleSet, SetAside
from tlkit.data.decode import Resize, decode_image, decode_mask, fit_image, fit_mask
from tlkit.errors import DataError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Store:
    """Images and masks at the model's size.

    Args:
        images: uint8 (N, H, W, 3), memory-mapped.
        masks: uint8 (N, H, W) class numbers and ``IGNORE``, memory-mapped; None for classification.
        digests: SHA-256 of each sample's bytes, its mask's included.
        sizes: int32 (N, 2), (height, width) of each original.
    """

    images: np.ndarray
    masks: np.ndarray | None
    digests: tuple[str, ...]
    sizes: np.ndarray


@dataclass(frozen=True)
class _Decoded:
    image: np.ndarray
    mask: np.ndarray | None
    digest: str
    size: ImageSize


def fill_store(
    sample_set: SampleSet,
    size: ImageSize,
    resize: Resize,
    folder: Path,
    progress: Progress | None = None,
) -> tuple[Store, tuple[Sample, ...], tuple[SetAside, ...]]:
    """Decode all samples in parallel into a store; memory does not grow with their number.

    Args:
        sample_set: what the data set found.
        size: (height, width) of the store's images.
        resize: how images come to it.
        folder: where the store is written.
        progress: told (done, total).

    Returns:
        the store, the samples that are in it in its order, and those that could not be decoded, with the reason.

    Raises:
        DataError: the disk has too little room.
    """
    samples = sample_set.samples
    with_masks = any(sample.mask is not None for sample in samples)
    _check_room(folder, len(samples), size, with_masks)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (len(samples), *size, 3))
    masks = (
        np.lib.format.open_memmap(folder / "masks.npy", "w+", np.uint8, (len(samples), *size)) if with_masks else None
    )
    used: list[Sample] = []
    digests: list[str] = []
    sizes: list[ImageSize] = []
    set_aside: list[SetAside] = []
    for done, (sample, result) in enumerate(_decode_all(sample_set, size, resize), 1):
        if isinstance(result, DataError):
            set_aside.append(SetAside(sample.key, str(result)))
        else:
            row = len(used)
            images[row] = result.image
            if masks is not None and result.mask is not None:
                masks[row] = result.mask
            used.append(sample)
            digests.append(result.digest)
            sizes.append(result.size)
        if progress is not None:
            progress(done, len(samples))
    count = len(used)
    store = Store(
        images[:count],
        None if masks is None else masks[:count],
        tuple(digests),
        np.array(sizes, np.int32).reshape(-1, 2),
    )
    return store, tuple(used), tuple(set_aside)


def _check_room(folder: Path, count: int, size: ImageSize, with_masks: bool) -> None:
    needed = count * size[0] * size[1] * (4 if with_masks else 3)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder}: the decoded images need {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free; "
            "make room, give a run folder on another disk with --out, or lower input.image_size"
        )


def _decode_all(
    sample_set: SampleSet, size: ImageSize, resize: Resize
) -> Iterator[tuple[Sample, _Decoded | DataError]]:
    """In the samples' order; at most a few batches of results wait in memory."""
    workers = max(2, os.cpu_count() or 2)
    waiting: deque[tuple[Sample, Future[_Decoded | DataError]]] = deque()
    # Pillow warns of large images and odd metadata; the filter is set here because it is not safe to set in threads.
    with warnings.catch_warnings(), ThreadPoolExecutor(workers, thread_name_prefix="tlkit-decode") as pool:
        warnings.simplefilter("ignore")
        for sample in sample_set.samples:
            waiting.append((sample, pool.submit(_decode, sample, sample_set, size, resize)))
            if len(waiting) >= 8 * workers:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()


def _decode(sample: Sample, sample_set: SampleSet, size: ImageSize, resize: Resize) -> _Decoded | DataError:
    digest = hashlib.sha256()
    try:
        image = _image(sample, sample_set, digest)
        mask = _mask(sample, sample_set, digest)
    except DataError as error:
        return error
    if mask is not None and mask.shape != image.shape[:2]:
        return DataError(
            f"{sample.mask}: the mask is {mask.shape[1]} x {mask.shape[0]} pixels, "
            f"its image {image.shape[1]} x {image.shape[0]}"
        )
    return _Decoded(
        fit_image(image, size, resize),
        None if mask is None else fit_mask(mask, size, resize),
        digest.hexdigest(),
        (int(image.shape[0]), int(image.shape[1])),
    )


def _image(sample: Sample, sample_set: SampleSet, digest: hashlib._Hash) -> np.ndarray:
    if isinstance(sample.image, Path):
        data = _read(sample.image)
        digest.update(data)
        return decode_image(sample.image, data)
    assert sample_set.images is not None
    row = np.ascontiguousarray(sample_set.images[sample.image])
    digest.update(row.tobytes())
    return np.repeat(row[:, :, None], 3, axis=2) if row.ndim == 2 else row


def _mask(sample: Sample, sample_set: SampleSet, digest: hashlib._Hash) -> np.ndarray | None:
    if sample.mask is None:
        return None
    if isinstance(sample.mask, Path):
        data = _read(sample.mask)
        digest.update(data)
        assert sample_set.mask_table is not None
        return decode_mask(sample.mask, sample_set.mask_table, data)
    assert sample_set.masks is not None
    row = np.ascontiguousarray(sample_set.masks[sample.mask])
    digest.update(row.tobytes())
    return row


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror}") from error


def listing(set_aside: Sequence[SetAside], most: int = 20) -> str:
    """The files that were set aside, a line each."""
    lines = [f"  {each.key}: {each.reason}" for each in set_aside[:most]]
    if len(set_aside) > most:
        lines.append(f"  and {len(set_aside) - most} more")
    return "\n".join(lines)
