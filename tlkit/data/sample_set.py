"""Check what a data set's plugin returned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from tlkit.contracts import IGNORE, Sample, SampleSet, Task
from tlkit.data.store.store import listing
from tlkit.errors import DataError, PluginError

MASK_CLASSES = IGNORE - 1


def check_sample_set(found: SampleSet, task: Task, name: str, minimum_classes: int = 2) -> None:
    """Check what a data set returned.

    Raises:
        DataError: nothing to train on: no samples, or one class.
        PluginError: the data set broke its contract.
    """
    if not isinstance(found, SampleSet):
        raise PluginError(f'dataset "{name}": expected open to return a SampleSet, received {found!r}')
    if not found.samples:
        aside = f"; {len(found.set_aside)} files were set aside:\n{listing(found.set_aside)}" if found.set_aside else ""
        raise DataError(f'dataset "{name}": no images found in {found.root or "it"}{aside}')
    if len(found.classes) < minimum_classes:
        raise DataError(
            f'dataset "{name}": only one class ({", ".join(found.classes) or "none"}); '
            "at least two are needed to learn a difference"
        )
    twice = [name for name, count in Counter(found.classes).items() if count > 1]
    if twice:
        raise PluginError(f'dataset "{name}": class names stand twice: {", ".join(twice[:5])}')
    repeated = [key for key, count in Counter(sample.key for sample in found.samples).items() if count > 1]
    if repeated:
        raise PluginError(f'dataset "{name}": keys stand twice: {", ".join(repeated[:5])}')
    for what, array in (("images", found.images), ("masks", found.masks)):
        if array is not None and array.dtype != np.uint8:
            raise PluginError(f'dataset "{name}": expected {what} of dtype uint8, received {array.dtype}')
    if found.masks is not None and not set(np.unique(found.masks).tolist()) <= {*range(len(found.classes)), IGNORE}:
        raise PluginError(f'dataset "{name}": masks have values that are neither a class number nor {IGNORE}')
    for sample in found.samples:
        problem = _sample_problem(sample, found, task)
        if problem:
            raise PluginError(f'dataset "{name}": sample {sample.key}: {problem}')
    if task == "segmentation" and len(found.classes) > MASK_CLASSES:
        raise DataError(f'dataset "{name}": {len(found.classes)} classes; masks can have at most {MASK_CLASSES}')


def _sample_problem(sample: Sample, found: SampleSet, task: Task) -> str | None:
    if task == "segmentation":
        if sample.mask is None:
            return "expected a mask for the task segmentation"
        if isinstance(sample.mask, Path) and found.mask_table is None:
            return "its mask is a file, but the sample set has no mask_table"
    else:
        labels = sample.label if isinstance(sample.label, tuple) else (sample.label,)
        if found.multi_label != isinstance(sample.label, tuple):
            return f"expected {'a tuple of class numbers' if found.multi_label else 'a class number'}"
        if any(label is None or not 0 <= label < len(found.classes) for label in labels):
            return f"label {sample.label} is not in 0-{len(found.classes) - 1}"
    for what, row, array in (("image", sample.image, found.images), ("mask", sample.mask, found.masks)):
        if isinstance(row, int) and (array is None or not 0 <= row < len(array)):
            return f"its {what} is row {row}, but the sample set has {0 if array is None else len(array)} {what}s"
    return None
