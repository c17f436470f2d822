"""One folder per class."""

from __future__ import annotations

from pathlib import Path

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
        sources=found.sources,
        notes=found.notes,
    )


def relocate_folder(options: FolderOptions, path: Path) -> FolderOptions:
    """Return the options that read another folder of the same form.

    Its own folders and names decide about splits. What was excluded by the name of a folder stays behind; patterns such
    as ``*_mask*`` stay.
    """
    exclude = tuple(pattern for pattern in options.exclude if "*" in pattern and "/" not in pattern)
    splits = options.splits if options.splits == "none" else "auto"
    return options.model_copy(update={"path": path.resolve(), "splits": splits, "lists": None, "exclude": exclude})


def _reading(options: FolderOptions) -> tlkit.files.Reading:
    lists = None if options.lists is None else tlkit.files.existing_folder(options.lists, "data.lists")
    names = None if options.names is None else tlkit.files.expanded(options.names)
    return tlkit.files.Reading(options.splits, options.classes, options.exclude, options.pattern, lists, names)
