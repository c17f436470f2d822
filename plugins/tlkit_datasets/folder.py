"""One folder per class."""

from __future__ import annotations

import tlkit
from tlkit_datasets.options import FolderOptions


def open_folder(ctx: tlkit.DatasetContext, options: FolderOptions) -> tlkit.SampleSet:  # noqa: ARG001
    """List a folder of class folders; what ``options`` leave open is decided by names and by what is inside.

    Raises:
        DataError: the folder does not exist, has no class folders, or has splits that contradict each other.
    """
    root = tlkit.files.existing_folder(options.path, "data.path")
    found = tlkit.files.read_class_folders(root, _reading(options))
    if not found.images and not found.set_aside:
        raise tlkit.DataError(
            f"data.path: {root.resolve()} has no class folders; expected one folder per class with images in it, "
            "such as cats/ and dogs/, or train/ and test/ with such folders. tlkit init shows what it finds there"
        )
    number = {name: index for index, name in enumerate(found.classes)}
    return tlkit.SampleSet(
        samples=tuple(
            tlkit.Sample(image.key, image.file, label=number[image.name], split=image.split) for image in found.images
        ),
        classes=found.classes,
        set_aside=tuple(tlkit.SetAside(key, reason) for key, reason in found.set_aside.items()),
        root=root.resolve(),
        sources=found.lists,
        notes=found.notes,
    )


def _reading(options: FolderOptions) -> tlkit.files.Reading:
    lists = None if options.lists is None else tlkit.files.existing_folder(options.lists, "data.lists")
    return tlkit.files.Reading(options.splits, options.classes, options.exclude, options.pattern, lists)
