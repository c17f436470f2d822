"""Read arrays from an .npz file, without running code from it and without unpacking more than it declares."""

from __future__ import annotations

import math
import re
import tokenize
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tlkit
from tlkit_datasets.options import NpzOptions
from tlkit_datasets.published import READ_ERRORS

MAX_BYTES = 8_000_000_000
"""Maximum size of the arrays that are read, when unpacked."""
IMAGE_NAMES = ("x_train", "train_images", "images_train", "x", "images", "image", "imgs", "data", "arr_0")
LABEL_NAMES = ("y_train", "train_labels", "labels_train", "y", "labels", "label", "targets", "target", "arr_1")
MASK_NAMES = ("mask_train", "masks_train", "train_masks", "train_mask", "masks", "mask", "y_train", "y", "arr_1")
CLASS_NAMES = ("class_names", "classes", "label_names", "names", "target_names")
_ERRORS = (*READ_ERRORS, RuntimeError, tokenize.TokenError)
"""Also of encrypted archives, unknown compression and malformed headers."""
_WORDS = {"validation": ("val", "valid", "validation", "dev"), "test": ("test", "testing")}


@dataclass(frozen=True)
class Header:
    """What an array declares.

    Args:
        shape: its shape.
        dtype: its type; ``object`` where it would have to be unpickled.
    """

    shape: tuple[int, ...]
    dtype: np.dtype


def read_headers(file: Path) -> dict[str, Header]:
    """Return the shape and type of each array in an .npz file.

    Raises:
        DataError: it is no .npz file.
    """
    try:
        if not zipfile.is_zipfile(file):
            raise tlkit.DataError(f"data.path: {file} is not an .npz file, or is incomplete")
        with zipfile.ZipFile(file) as archive:
            names = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            return {entry.filename.removesuffix(".npy"): _header(archive, entry) for entry in names[:1000]}
    except _ERRORS as error:
        raise tlkit.DataError(f"data.path: {file} is not an .npz file: {error}") from error


def _header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Header:
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        if min(shape, default=0) < 0 or dtype.names is not None:
            raise ValueError(f"{entry.filename} is no array of numbers or text")
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize + stream.tell() > entry.file_size:
            raise ValueError(f"{entry.filename} is incomplete")
    return Header(shape, dtype)


def read_arrays(file: Path, names: Sequence[str], headers: dict[str, Header]) -> dict[str, np.ndarray]:
    """Return some of the arrays of an .npz file.

    Raises:
        DataError: one is missing, has Python objects, or is too large.
    """
    for name in names:
        if name not in headers:
            raise tlkit.DataError(f"data.path: {file}: no array {name}; it has {', '.join(headers) or 'none'}")
        if headers[name].dtype.hasobject:
            raise tlkit.DataError(
                f"data.path: {file}: the array {name} has Python objects, which are not read: they can run code; "
                f"save it as numbers or text, such as with {name}.astype(str)"
            )
    size = sum(math.prod(headers[name].shape) * headers[name].dtype.itemsize for name in names)
    if size > MAX_BYTES:
        raise tlkit.DataError(f"data.path: {file}: its arrays take {size} bytes; expected at most {MAX_BYTES}")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except _ERRORS as error:
        raise tlkit.DataError(f"data.path: {file}: can't be read: {error}") from error


def named(headers: Mapping[str, Header], names: Sequence[str]) -> str | None:
    """Return the array with the first of some usual names, in any case; None if there is none."""
    by_name = {name.casefold(): name for name in reversed(list(headers))}
    return next((by_name[name] for name in names if name in by_name), None)


def of_splits(name: str, headers: dict[str, Header]) -> dict[tlkit.Split, str]:
    """Return split → array, for an array that is named after the training split; empty if it is not."""
    match = re.search(r"(?<![a-z])train(ing)?(?![a-z])", name, re.IGNORECASE)
    if match is None:
        return {}
    by_name = {each.casefold(): each for each in headers}
    found: dict[tlkit.Split, str] = {"train": name}
    splits: tuple[tlkit.Split, ...] = ("validation", "test")
    for split in splits:
        for word in _WORDS[split]:
            other = by_name.get((name[: match.start()] + word + name[match.end() :]).casefold())
            if other is not None:
                found.setdefault(split, other)
    return found


@dataclass(frozen=True)
class Part:
    """The arrays of a split.

    Args:
        images: the name of the images.
        targets: the name of the labels or masks.
        split: the split; None: tlkit splits them.
    """

    images: str
    targets: str
    split: tlkit.Split | None


def find_parts(file: Path, headers: dict[str, Header], options: NpzOptions, task: tlkit.Task) -> list[Part]:
    """Return the arrays to read.

    Raises:
        DataError: there are none of these names.
    """
    given = options.masks if task == "segmentation" else options.labels
    usual = MASK_NAMES if task == "segmentation" else LABEL_NAMES
    what = "masks" if task == "segmentation" else "labels"
    images, targets = options.images or named(headers, IMAGE_NAMES), given or named(headers, usual)
    for name, key in ((images, "images"), (targets, what)):
        if name is None or name not in headers:
            problem = f'no array "{name}"' if name else f"no array whose name says that it has the {key}"
            shown = ", ".join(f"{each} {header.shape}" for each, header in list(headers.items())[:12])
            raise tlkit.DataError(f"{file}: {problem}; it has {shown or 'none'}; name it with data.{key}")
    assert images is not None
    assert targets is not None
    splits, of_targets = of_splits(images, headers), of_splits(targets, headers)
    if not splits:
        return [Part(images, targets, None)]
    both = [split for split in splits if split in of_targets]
    # Without a validation array, tlkit takes validation images from those of train.
    return [Part(splits[split], of_targets[split], None if split == "train" else split) for split in both]
