"""Data sets published as arrays of small images, in an .npz file or in the publisher's own files."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tlkit

Arrays = dict[str, np.ndarray]
"""``x_train``, ``y_train``, ``x_test``, ``y_test``: uint8 (N, H, W) or (N, H, W, 3), and integers (N,) or (N, 1)."""

MAX_ARRAYS = 2_000_000_000
"""Maximum size in bytes of a data set's arrays when unpacked."""
READ_ERRORS = (OSError, EOFError, ValueError, MemoryError, zipfile.BadZipFile, zlib.error)
"""The exceptions that reading a damaged archive or array can raise."""


@dataclass(frozen=True)
class Published:
    """A data set of small images.

    Args:
        name: the data set's name in a recipe; the keys of its samples start with it.
        title: the data set's name in messages.
        shape: shape of an image, (H, W) or (H, W, 3).
        expected: what ``data.path`` may be, for messages.
    """

    name: str
    title: str
    shape: tuple[int, ...]
    expected: str


def existing(path: Path, published: Published) -> Path:
    """Return the file or folder that ``data.path`` names.

    Raises:
        DataError: it does not exist.
    """
    path = tlkit.files.expanded(path)
    if not path.exists():
        raise tlkit.DataError(f"data.path: no such file or folder: {path.absolute()}; expected {published.expected}")
    return path


def read_npz(file: Path, published: Published) -> Arrays:
    """Read the four arrays of an .npz file; other arrays in it are ignored.

    Raises:
        DataError: the file is not an .npz file, lacks an array, or is too large.
    """
    names = ("x_train", "y_train", "x_test", "y_test")
    if not zipfile.is_zipfile(file):
        raise tlkit.DataError(f"data.path: {file} is not an .npz file, or is incomplete; expected {published.expected}")
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(
                entry.file_size for entry in archive.infolist() if entry.filename.removesuffix(".npy") in names
            )
        if unpacked > MAX_ARRAYS:
            raise tlkit.DataError(
                f"data.path: {file}: its arrays take {unpacked} bytes; expected at most {MAX_ARRAYS} for "
                f"{published.title}"
            )
        with np.load(file, allow_pickle=False) as arrays:
            missing = [key for key in names if key not in arrays]
            if missing:
                raise tlkit.DataError(
                    f"data.path: {file}: no array {', '.join(missing)}; it has {', '.join(arrays.files) or 'none'}"
                )
            return {key: arrays[key] for key in names}
    except READ_ERRORS as error:
        raise tlkit.DataError(f"data.path: {file}: not {published.title} as an .npz file: {error}") from error


def checked_labels(published: Published, arrays: Arrays, source: Path, classes: int) -> dict[str, np.ndarray]:
    """Check the four arrays and return the labels of ``train`` and ``test``, int64 (N,).

    Raises:
        DataError: an array has a shape, dtype or range that is not the data set's.
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
    """Return the samples, with the official test set as the split ``test``."""
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
