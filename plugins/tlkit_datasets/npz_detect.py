"""Recognise an .npz file of images, for ``tlkit init``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tlkit
from tlkit_datasets.npz import open_npz
from tlkit_datasets.npz_file import (
    IMAGE_NAMES,
    LABEL_NAMES,
    MASK_NAMES,
    Header,
    find_parts,
    named,
    read_arrays,
    read_headers,
)
from tlkit_datasets.options import NpzOptions


def detect_npz(path: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    """Recognise an .npz file with images and labels or masks.

    Raises:
        DataError: it is an .npz file, but can't be used.
    """
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    headers = read_headers(path)
    tasks = _tasks(path)
    chosen: tlkit.Task = task if task is not None else tasks[0]
    target = "masks" if chosen == "segmentation" else "labels"
    part = find_parts(path, headers, NpzOptions(path=path, **_by_shape(headers, target)), chosen)[0]
    options: dict[str, Any] = {"path": path, "images": part.images, target: part.targets}
    comments = {"images": str(headers[part.images].shape), target: str(headers[part.targets].shape)}
    arrays = read_arrays(path, [part.images, part.targets], headers)
    pixels, targets = arrays[part.images], arrays[part.targets]
    if pixels.dtype.kind in "fb" and pixels.size and pixels.min() >= 0 and pixels.max() <= 1:
        options["pixels"] = "unit"
        comments["pixels"] = "the values are in 0-1; 1 is white"
    if chosen == "classification" and targets.ndim == 2 and targets.shape[1] > 1 and (targets.sum(1) != 1).any():
        options["multi_label"] = True
        comments["multi_label"] = "some images have several labels, or none"
    if chosen == "segmentation":
        options["values"] = _values(targets)
        comments["values"] = "Mask value = class name. Replace these names with the real ones."
    found = open_npz(tlkit.DatasetContext(chosen, 0), NpzOptions(**options))
    counts, splits = _counts(found)
    assert found.images is not None
    height, width = found.images.shape[1:3]
    colour = "grey" if found.images.ndim == 3 else "colour"
    return tlkit.Detected(
        title=f"{len(found.samples)} {colour} images in arrays: {part.images} and {part.targets}",
        task=chosen,
        options=options,
        comments=comments,
        counts=counts,
        images=(),
        sizes=((width, height),),
        splits=splits,
        tasks=tasks,
        multi_label=found.multi_label,
        notes=(*found.notes, *_published(found)),
    )


def _by_shape(headers: Mapping[str, Header], target: str) -> dict[str, Any]:
    """Return the images and their targets where their names say nothing, but there are only two arrays."""
    if named(headers, IMAGE_NAMES) is not None or len(headers) != 2:
        return {}
    images, other = sorted(headers, key=lambda name: (-len(headers[name].shape), name))
    same = len(headers[images].shape) > 2 and headers[images].shape[:1] == headers[other].shape[:1]
    return {"images": images, target: other} if same else {}


def _published(found: tlkit.SampleSet) -> list[str]:
    assert found.images is not None
    known = {((28, 28), 10): "fashion_mnist", ((32, 32, 3), 10): "cifar10", ((32, 32, 3), 100): "cifar100"}
    name = known.get((found.images.shape[1:], len(found.classes)))
    return [f'if this is a copy of the published data set, data.name = "{name}" has its class names'] if name else []


def _tasks(path: Path) -> tuple[tlkit.Task, ...]:
    """Return the tasks that the arrays allow, the likelier first: a target with as many axes as pixels has masks."""
    headers = read_headers(path)
    masks = named(headers, MASK_NAMES)
    if masks is not None and len(headers[masks].shape) >= 3:
        only_masks = named(headers, LABEL_NAMES) in (None, masks)
        return ("segmentation",) if only_masks else ("segmentation", "classification")
    return ("classification",)


def _counts(found: tlkit.SampleSet) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """Return split → class → number of images, and split → number of images."""
    counts: dict[str, dict[str, int]] = {}
    splits = Counter[str]()
    official = any(sample.split is not None for sample in found.samples)
    for sample in found.samples:
        split = sample.split or ("train" if official else "")
        splits[split] += 1
        of_split = counts.setdefault(split, {})
        for name in (found.classes[number] for number in _numbers(sample, found)):
            of_split[name] = of_split.get(name, 0) + 1
    return counts, dict(splits)


def _numbers(sample: tlkit.Sample, found: tlkit.SampleSet) -> Sequence[int]:
    """Return the class numbers of an image, or those in its mask."""
    if isinstance(sample.mask, int) and found.masks is not None:
        return [int(number) for number in np.unique(found.masks[sample.mask]) if number != tlkit.IGNORE]
    return sample.label if isinstance(sample.label, tuple) else [sample.label or 0]


def _values(masks: np.ndarray) -> dict[str, str]:
    found = [int(value) for value in np.unique(masks)[:256]]
    return {str(number): "background" if number == 0 else f"class_{number}" for number in found}
