"""Check the sample set that a data set returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.boundary.results import fields_problem
from tlkit.contracts import IGNORE, DrawnMask, MaskTable, Sample, SampleSet, SetAside, Task, image_text
from tlkit.data.images.source import file_of, row_of
from tlkit.errors import DataError, PluginError
from tlkit.system.text import and_more, listed

MASK_CLASSES = IGNORE - 1


def check_sample_set(sample_set: SampleSet, task: Task, name: str, minimum_classes: int = 2) -> None:
    """Check that a sample set fulfils the contract of ``Dataset.open`` and has something to learn from.

    Args:
        sample_set: the sample set.
        task: the task it was opened for.
        name: the name of the data set, for messages.
        minimum_classes: how many classes it must have; with 0 it may be empty.

    Raises:
        DataError: it has no samples, too few classes, or more classes than masks can have.
        PluginError: the data set broke its contract.
    """
    if not isinstance(sample_set, SampleSet):
        raise PluginError(f'dataset "{name}": expected open to return a SampleSet, received {sample_set!r}')
    if problem := _fields_problem(sample_set):
        raise PluginError(f'dataset "{name}": {problem}')
    if not sample_set.samples:
        if minimum_classes == 0:
            return
        count = len(sample_set.set_aside)
        aside = f"; {count} files were set aside:\n{set_aside_lines(sample_set.set_aside)}" if count else ""
        raise DataError(f'dataset "{name}": no images found in {sample_set.root or "it"}{aside}')
    if len(sample_set.classes) < minimum_classes:
        raise DataError(
            f'dataset "{name}": only one class ({", ".join(sample_set.classes) or "none"}); '
            "at least two are needed to learn a difference"
        )
    for sample in sample_set.samples:
        if problem := _type_problem(sample):
            raise PluginError(f'dataset "{name}": sample {getattr(sample, "key", sample)!r}: {problem}')
    _check_names(sample_set, name)
    _check_arrays(sample_set, name)
    for sample in sample_set.samples:
        if problem := _sample_problem(sample, sample_set, task):
            raise PluginError(f'dataset "{name}": sample {sample.key}: {problem}')
    if task == "segmentation" and len(sample_set.classes) > MASK_CLASSES:
        raise DataError(f'dataset "{name}": {len(sample_set.classes)} classes; masks can have at most {MASK_CLASSES}')


def _check_names(sample_set: SampleSet, name: str) -> None:
    for what, names in (("class names", sample_set.classes), ("keys", [sample.key for sample in sample_set.samples])):
        if len(set(names)) < len(names):
            repeated = [each for each, count in Counter(names).items() if count > 1]
            raise PluginError(f'dataset "{name}": expected unique {what}; repeated: {listed(repeated, 5)}')


def _fields_problem(sample_set: Any) -> str:
    if not isinstance(sample_set.samples, tuple):
        return f"expected a tuple of samples, received {type(sample_set.samples).__name__}"
    fields = ("classes", "multi_label", "mask_table", "set_aside", "root", "sources", "notes")
    problem = fields_problem(sample_set, SampleSet, fields)
    if problem:
        return problem
    if any(type(name) is not str for name in sample_set.classes):
        return f"expected class names that are strings, received {sample_set.classes!r}"
    numbers = {*range(len(sample_set.classes)), IGNORE}
    table = sample_set.mask_table or MaskTable({})
    wrong = {*table.values.values(), *(() if table.default is None else (table.default,))} - numbers
    return f"expected class numbers and {IGNORE} in the mask table, received {sorted(wrong)}" if wrong else ""


def _type_problem(sample: Any) -> str:
    """Return which part of a sample has a type that its contract does not allow; an empty string if none has."""
    if not isinstance(sample, Sample):
        return f"expected a Sample, received {sample!r}"
    if type(sample.key) is not str or not sample.key:  # a class of its own could say that it equals another key
        return f"expected a key that is a string, received {sample.key!r}"
    if image_text(sample) is None and not _is_place(sample.image):
        return f"expected a path or a row as image, received {sample.image!r}"
    if not (sample.mask is None or isinstance(sample.mask, DrawnMask) or _is_place(sample.mask)):
        return f"expected a path, a row or a DrawnMask as mask, received {sample.mask!r}"
    for label in sample.label if isinstance(sample.label, tuple) else (sample.label,):
        if not (label is None or type(label) is int or np.issubdtype(type(label), np.integer)):
            return f"expected a class number, received {label!r}"
    if sample.split not in (None, "train", "validation", "test"):
        return f"expected train, validation, test or None as split, received {sample.split!r}"
    if not (sample.group is None or type(sample.group) is str):
        return f"expected a string or None as group, received {sample.group!r}"
    return ""


def _is_place(value: object) -> bool:
    return isinstance(value, Path) or (isinstance(value, int) and not isinstance(value, bool))


_DIMENSIONS = {"images": (3, 4), "masks": (3,)}
"""Array of a sample set → the numbers of dimensions that it may have."""


def _check_arrays(sample_set: SampleSet, name: str) -> None:
    for what, array in (("images", sample_set.images), ("masks", sample_set.masks)):
        if array is None:
            continue
        if not isinstance(array, np.ndarray) or array.ndim not in _DIMENSIONS[what]:
            received = getattr(array, "shape", array)
            raise PluginError(f'dataset "{name}": expected {what} (N, H, W[, 3]), received {received!r}')
        if array.ndim == 4 and array.shape[3] != 3:
            raise PluginError(f'dataset "{name}": expected {what} (N, H, W[, 3]), received {array.shape}')
        if array.dtype != np.uint8:
            raise PluginError(f'dataset "{name}": expected {what} of dtype uint8, received {array.dtype}')
    allowed = {*range(len(sample_set.classes)), IGNORE}
    if sample_set.masks is not None and not set(np.unique(sample_set.masks).tolist()) <= allowed:
        raise PluginError(f'dataset "{name}": masks have values that are neither a class number nor {IGNORE}')


def _sample_problem(sample: Sample, sample_set: SampleSet, task: Task) -> str:
    if task == "segmentation":
        if sample.mask is None:
            return "expected a mask for the task segmentation"
        if file_of(sample.mask) is not None and sample_set.mask_table is None:
            return "its mask is a file, but the sample set has no mask_table"
    else:
        labels = sample.label if isinstance(sample.label, tuple) else (sample.label,)
        if sample_set.multi_label != isinstance(sample.label, tuple):
            return f"expected {'a tuple of class numbers' if sample_set.multi_label else 'a class number'}"
        if any(label is None or not 0 <= label < len(sample_set.classes) for label in labels):
            return f"label {sample.label} is not in 0-{len(sample_set.classes) - 1}"
    image = None if image_text(sample) is not None else sample.image
    for what, place, array in (("image", image, sample_set.images), ("mask", sample.mask, sample_set.masks)):
        row = row_of(place)
        if row is not None and (array is None or not 0 <= row < len(array)):
            return f"its {what} is row {row}, but the sample set has {0 if array is None else len(array)} {what}s"
    return ""


def set_aside_lines(set_aside: Sequence[SetAside], limit: int = 20) -> str:
    """Return one line per file that was set aside, with its reason, for the first ``limit`` files."""
    lines = [f"  {each.key}: {each.reason}" for each in set_aside[:limit]]
    rest = and_more(len(set_aside), limit)
    return "\n".join([*lines, f" {rest}"] if rest else lines)
