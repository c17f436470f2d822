"""What the data sets of small images have in common: arrays, from an .npz or from the publisher's files."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tlkit

Arrays = dict[str, np.ndarray]
"""``x_train``, ``y_train``, ``x_test``, ``y_test``: uint8 (N, H, W) or (N, H, W, 3), and integers (N,) or (N, 1)."""

LARGEST_ARRAYS = 2_000_000_000
"""Bytes that a published data set of arrays may have when it is unpacked."""
BROKEN = (OSError, EOFError, ValueError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged archive or array raises."""


@dataclass(frozen=True)
class Published:
    """A data set of small images.

    Args:
        name: of the data set in a recipe; the samples' keys begin with it.
        title: for messages.
        shape: of an image.
        expected: what ``data.path`` may be, for messages.
    """

    name: str
    title: str
    shape: tuple[int, ...]
    expected: str


def existing(path: Path, published: Published) -> Path:
    """The file or folder that the user named.

    Raises:
        DataError: there is none.
    """
    path = tlkit.files.expanded(path)
    if not path.exists():
        raise tlkit.DataError(f"data.path: no such file or folder: {path.absolute()}; expected {published.expected}")
    return path


def read_npz(file: Path, published: Published) -> Arrays:
    """The four arrays of an .npz file; it may hold others.

    Raises:
        DataError: it is not an .npz file, or lacks an array.
    """
    wanted = ("x_train", "y_train", "x_test", "y_test")
    if not zipfile.is_zipfile(file):
        raise tlkit.DataError(f"data.path: {file} is not an .npz file, or cut off; expected {published.expected}")
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(
                entry.file_size for entry in archive.infolist() if entry.filename.removesuffix(".npy") in wanted
            )
        if unpacked > LARGEST_ARRAYS:
            raise tlkit.DataError(
                f"data.path: {file}: its arrays take {unpacked} bytes, at most {LARGEST_ARRAYS} are expected of "
                f"{published.title}"
            )
        with np.load(file, allow_pickle=False) as found:
            missing = [key for key in wanted if key not in found]
            if missing:
                raise tlkit.DataError(
                    f"data.path: {file}: no array {', '.join(missing)}; it has {', '.join(found.files) or 'none'}"
                )
            return {key: found[key] for key in wanted}
    except BROKEN as error:
        raise tlkit.DataError(f"data.path: {file}: not {published.title} as an .npz file: {error}") from error


def checked_labels(published: Published, arrays: Arrays, source: Path, classes: int) -> dict[str, np.ndarray]:
    """The labels of ``train`` and ``test`` as int64 (N,), after a look at all four arrays.

    Raises:
        DataError: an array's shape, dtype or range is not the data set's.
    """
    labels = {}
    for split in ("train", "test"):
        pixels, numbers = arrays[f"x_{split}"], arrays[f"y_{split}"]
        if pixels.dtype != np.uint8 or pixels.shape[1:] != published.shape:
            raise tlkit.DataError(
                f"{source}: not {published.title}: expected x_{split} of uint8 (N, "
                f"{', '.join(map(str, published.shape))}), received {pixels.dtype} {pixels.shape}"
            )
        if not np.issubdtype(numbers.dtype, np.integer) or numbers.shape not in ((len(pixels),), (len(pixels), 1)):
            raise tlkit.DataError(
                f"{source}: not {published.title}: expected y_{split} of whole numbers, one for each of "
                f"{len(pixels)} images, received {numbers.dtype} {numbers.shape}"
            )
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < classes:
            raise tlkit.DataError(
                f"{source}: not {published.title}: expected y_{split} in 0-{classes - 1}, "
                f"received {numbers.min()} to {numbers.max()}"
            )
        labels[split] = numbers.reshape(-1).astype(np.int64)
    return labels


def sample_set(
    published: Published, arrays: Arrays, labels: dict[str, np.ndarray], classes: tuple[str, ...]
) -> tlkit.SampleSet:
    """The samples, the official test set marked as such."""
    samples: list[tlkit.Sample] = []
    for split in ("train", "test"):
        first = len(samples)
        samples += [
            tlkit.Sample(
                f"{published.name}/{split}/{number:05d}",
                first + number,
                label=label,
                split="test" if split == "test" else None,
            )
            for number, label in enumerate(labels[split].tolist())
        ]
    images = np.concatenate([arrays["x_train"], arrays["x_test"]])
    return tlkit.SampleSet(samples=tuple(samples), classes=classes, images=images)
