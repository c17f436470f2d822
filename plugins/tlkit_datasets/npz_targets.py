"""Turn arrays into labels or masks, with the names of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import tlkit
from tlkit_datasets.npz_file import Part
from tlkit_datasets.options import NpzOptions
from tlkit_datasets.values import mask_table


def text(array: np.ndarray) -> np.ndarray:
    return np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array


def labels_of(
    file: Path, parts: Sequence[Part], targets: Sequence[np.ndarray], options: NpzOptions, listed: Sequence[str]
) -> tuple[list[int | tuple[int, ...]], tuple[str, ...]]:
    """Return the label of each image, and the class names."""
    names = ", ".join(part.targets for part in parts)
    shape = {each.shape[1:] for each in targets}
    if len(shape) > 1 or targets[0].ndim > 2:
        raise tlkit.DataError(
            f"{file}: {names} of shape {', '.join(str(each.shape) for each in targets)}; expected a class for each "
            'image, or a column per class; for masks set task = "segmentation"'
        )
    every = text(np.concatenate(targets))
    if every.ndim == 2 and every.shape[1] > 1:
        return _marked(file, names, every, options, listed)
    if options.multi_label:
        raise tlkit.DataError(
            f"{file}: {names} has one class per image; expected a column per class for data.multi_label"
        )
    every = every.reshape(-1)
    if every.dtype.kind == "U":
        classes, numbers = np.unique(every, return_inverse=True)
        return list(numbers.tolist()), _named(file, [str(name) for name in classes], ())
    if every.dtype.kind not in "uifb" or (every != np.floor(every)).any():
        raise tlkit.DataError(f"{file}: {names} is of type {every.dtype}; expected class numbers or class names")
    whole = every.astype(np.int64)
    if listed:
        if not 0 <= whole.min() <= whole.max() < len(listed):
            raise tlkit.DataError(
                f"{file}: {names} has class numbers from {whole.min()} to {whole.max()}, but there are {len(listed)} "
                "class names; expected numbers from 0"
            )
        return list(whole.tolist()), _named(file, listed, ())
    values, numbers = np.unique(whole, return_inverse=True)
    if len(values) > 10_000:
        raise tlkit.DataError(f"{file}: {names} has {len(values)} different numbers; expected class numbers")
    return list(numbers.tolist()), tuple(map(str, values.tolist()))


def _marked(
    file: Path, names: str, every: np.ndarray, options: NpzOptions, listed: Sequence[str]
) -> tuple[list[int | tuple[int, ...]], tuple[str, ...]]:
    """Return the labels of an array with one column per class."""
    if every.dtype.kind not in "uifb" or not np.isin(every, (0, 1)).all():
        raise tlkit.DataError(f"{file}: {names} of shape {every.shape} has other values than 0 and 1 in its columns")
    classes = _named(file, listed or [f"class_{number}" for number in range(every.shape[1])], every.shape[1:])
    if options.multi_label:
        return [tuple(np.flatnonzero(row).tolist()) for row in every], classes
    marks = (every != 0).sum(1)
    if (marks != 1).any():
        raise tlkit.DataError(
            f"{file}: {names}: {int((marks > 1).sum())} images have several labels, {int((marks == 0).sum())} have "
            "none; set data.multi_label = true"
        )
    return list(every.argmax(1).tolist()), classes


def _named(file: Path, names: Sequence[str], columns: tuple[int, ...]) -> tuple[str, ...]:
    if columns and len(names) != columns[0]:
        raise tlkit.DataError(f"{file}: {len(names)} class names, but the labels have {columns[0]} columns")
    if len(set(names)) < len(names):
        raise tlkit.DataError(f"{file}: a class name appears twice: {', '.join(names[:20])}")
    return tuple(names)


def masks_of(
    file: Path,
    parts: Sequence[Part],
    targets: Sequence[np.ndarray],
    options: NpzOptions,
    listed: Sequence[str],
    shape: tuple[int, ...],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the masks as class numbers, uint8 (N, H, W), and the class names."""
    names = ", ".join(part.targets for part in parts)
    flat = [each[..., 0] if each.ndim == 4 and each.shape[3] == 1 else each for each in targets]
    flat = [each[:, 0] if each.ndim == 4 and each.shape[1] == 1 else each for each in flat]
    if any(each.ndim != 3 or each.shape[1:] != shape[1:3] or each.dtype.kind not in "uifb" for each in flat):
        raise tlkit.DataError(
            f"{file}: {names} of shape {', '.join(str(each.shape) for each in targets)}; expected a number for each "
            f"pixel of the images, (N, {shape[1]}, {shape[2]})"
        )
    every = np.concatenate(flat)
    found = np.unique(every)
    if len(found) > 255 or (found != np.floor(found)).any():
        raise tlkit.DataError(
            f"{file}: {names} has {len(found)} different values; expected whole numbers, one per class"
        )
    values = options.values or _values(found, options.ignore, listed)
    classes, table, _ = mask_table(values, options.ignore)
    masks = np.full(every.shape, tlkit.IGNORE, np.uint8)
    known = {key: number for key, number in table.values.items() if isinstance(key, int)}
    unknown = sorted({int(value) for value in found} - known.keys())
    if unknown:
        raise tlkit.DataError(
            f"{file}: {names} has the values {', '.join(map(str, unknown[:8]))}, which are not in data.values; add "
            "them, or list them in data.ignore"
        )
    for value, number in known.items():
        masks[every == value] = number
    return masks, classes


def _values(found: np.ndarray, ignore: Sequence[str], listed: Sequence[str]) -> dict[str, str]:
    numbers = [int(value) for value in found if str(int(value)) not in ignore]
    if listed:
        return {str(number): name for number, name in enumerate(listed)}
    return {str(number): "background" if number == 0 else f"class_{number}" for number in numbers}
