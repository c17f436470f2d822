"""Check the sample set that a data set returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tlkit.contracts import IGNORE, Sample, SampleSet, SetAside, Task
from tlkit.data.images.source import file_of, row_of
from tlkit.errors import DataError, PluginError
from tlkit.system.text import and_more, listed

MASK_CLASSES = IGNORE - 1


def check_sample_set(found: SampleSet, task: Task, name: str, minimum_classes: int = 2) -> None:
    """Check that a sample set keeps the contract of ``Dataset.open`` and has something to learn from.

    Args:
        found: the sample set.
        task: the task it was opened for.
        name: the name of the data set, for messages.
        minimum_classes: how many classes it must have; with 0 it may be empty.

    Raises:
        DataError: it has no samples, too few classes, or more classes than masks can have.
        PluginError: the data set broke its contract.
    """
    if not isinstance(found, SampleSet):
        raise PluginError(f'dataset "{name}": expected open to return a SampleSet, received {found!r}')
    if not found.samples:
        if minimum_classes == 0:
            return
        count = len(found.set_aside)
        aside = f"; {count} files were set aside:\n{set_aside_lines(found.set_aside)}" if count else ""
        raise DataError(f'dataset "{name}": no images found in {found.root or "it"}{aside}')
    if len(found.classes) < minimum_classes:
        raise DataError(
            f'dataset "{name}": only one class ({", ".join(found.classes) or "none"}); '
            "at least two are needed to learn a difference"
        )
    _check_names(found, name)
    _check_arrays(found, name)
    for sample in found.samples:
        problem = _sample_problem(sample, found, task)
        if problem:
            raise PluginError(f'dataset "{name}": sample {sample.key}: {problem}')
    if task == "segmentation" and len(found.classes) > MASK_CLASSES:
        raise DataError(f'dataset "{name}": {len(found.classes)} classes; masks can have at most {MASK_CLASSES}')


def _check_names(found: SampleSet, name: str) -> None:
    for what, names in (("class names", found.classes), ("keys", [sample.key for sample in found.samples])):
        repeated = [each for each, count in Counter(names).items() if count > 1]
        if repeated:
            raise PluginError(f'dataset "{name}": expected unique {what}; repeated: {listed(repeated, 5)}')


def _check_arrays(found: SampleSet, name: str) -> None:
    for what, array in (("images", found.images), ("masks", found.masks)):
        if array is not None and array.dtype != np.uint8:
            raise PluginError(f'dataset "{name}": expected {what} of dtype uint8, received {array.dtype}')
    if found.masks is not None and not set(np.unique(found.masks).tolist()) <= {*range(len(found.classes)), IGNORE}:
        raise PluginError(f'dataset "{name}": masks have values that are neither a class number nor {IGNORE}')


def _sample_problem(sample: Sample, found: SampleSet, task: Task) -> str | None:
    if task == "segmentation":
        if sample.mask is None:
            return "expected a mask for the task segmentation"
        if file_of(sample.mask) is not None and found.mask_table is None:
            return "its mask is a file, but the sample set has no mask_table"
    else:
        labels = sample.label if isinstance(sample.label, tuple) else (sample.label,)
        if found.multi_label != isinstance(sample.label, tuple):
            return f"expected {'a tuple of class numbers' if found.multi_label else 'a class number'}"
        if any(label is None or not 0 <= label < len(found.classes) for label in labels):
            return f"label {sample.label} is not in 0-{len(found.classes) - 1}"
    for what, place, array in (("image", sample.image, found.images), ("mask", sample.mask, found.masks)):
        row = row_of(place)
        if row is not None and (array is None or not 0 <= row < len(array)):
            return f"its {what} is row {row}, but the sample set has {0 if array is None else len(array)} {what}s"
    return None


def set_aside_lines(set_aside: Sequence[SetAside], limit: int = 20) -> str:
    """Return one line per file that was set aside, with its reason, for the first ``limit`` files."""
    lines = [f"  {each.key}: {each.reason}" for each in set_aside[:limit]]
    rest = and_more(len(set_aside), limit)
    return "\n".join([*lines, f" {rest}"] if rest else lines)
