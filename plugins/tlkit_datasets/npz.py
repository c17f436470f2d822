"""Images and labels or masks in the arrays of an .npz file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import tlkit
from tlkit_datasets.npz_file import CLASS_NAMES, find_parts, named, read_arrays, read_headers
from tlkit_datasets.npz_images import images_of
from tlkit_datasets.npz_targets import labels_of, masks_of, text
from tlkit_datasets.options import NpzOptions


def open_npz(ctx: tlkit.DatasetContext, options: NpzOptions) -> tlkit.SampleSet:
    """Read the images and the labels or masks of an .npz file.

    Raises:
        DataError: the file can't be read, or its arrays are no images with labels or masks.
    """
    file = tlkit.files.expanded(options.path)
    if not file.is_file():
        raise tlkit.DataError(f"data.path: no such file: {file.absolute()}; expected an .npz file")
    headers = read_headers(file)
    parts = find_parts(file, headers, options, ctx.task)
    names = [name for part in parts for name in (part.images, part.targets)]
    class_names = None if options.classes else named(headers, CLASS_NAMES)
    if class_names is not None and headers[class_names].dtype.kind not in "US":
        class_names = None
    arrays = read_arrays(file, [*names, *([class_names] if class_names else [])], headers)
    listed = tuple(str(name) for name in text(arrays[class_names]).reshape(-1)) if class_names else options.classes
    notes: list[str] = []
    images = [images_of(file, part.images, arrays[part.images], options, notes) for part in parts]
    if len({each.shape[1:] for each in images}) > 1:
        shapes = ", ".join(f"{part.images} {each.shape[1:]}" for part, each in zip(parts, images, strict=True))
        raise tlkit.DataError(f"{file}: images of different shapes: {shapes}; expected one")
    targets = [arrays[part.targets] for part in parts]
    for part, pixels, target in zip(parts, images, targets, strict=True):
        if not target.ndim or len(pixels) != len(target):
            raise tlkit.DataError(
                f"{file}: {part.images} has {len(pixels)} images, but {part.targets} has the shape {target.shape}; "
                "expected one row for each image"
            )
    every = np.concatenate(images)
    keys = [
        (f"{part.images}/{row:06d}", part.split)
        for part, each in zip(parts, images, strict=True)
        for row in range(len(each))
    ]
    if ctx.task == "segmentation":
        masks, classes = masks_of(file, parts, targets, options, listed, every.shape)
        samples = [tlkit.Sample(key, row, mask=row, split=split) for row, (key, split) in enumerate(keys)]
        found = tlkit.SampleSet(samples=tuple(samples), classes=classes, images=every, masks=masks)
    else:
        labels, classes = labels_of(file, parts, targets, options, listed)
        samples = [
            tlkit.Sample(key, row, label=label, split=split)
            for row, ((key, split), label) in enumerate(zip(keys, labels, strict=True))
        ]
        found = tlkit.SampleSet(samples=tuple(samples), classes=classes, images=every, multi_label=options.multi_label)
    return replace(found, sources=(file,), notes=tuple(dict.fromkeys(notes)))
