"""One folder per class."""

from __future__ import annotations

import tlkit
from tlkit_datasets.options import FolderOptions


def open_folder(ctx: tlkit.DatasetContext, options: FolderOptions) -> tlkit.SampleSet:  # noqa: ARG001
    """List a folder of class folders; images in deeper folders belong to the class folder above them.

    Raises:
        DataError: the folder does not exist or has no class folders.
    """
    root = tlkit.files.existing_folder(options.path, "data.path")
    sides = tlkit.files.split_folders(root)
    folders = {split: tlkit.files.subfolders(folder) for split, folder in sides.items()}
    names = sorted({folder.name for each in folders.values() for folder in each})
    if not names:
        raise tlkit.DataError(
            f"data.path: {root.resolve()} has no class folders; expected one folder per class with images in it, "
            "such as cats/ and dogs/, or train/ and test/ with such folders. tlkit init shows what it finds there"
        )
    samples = []
    set_aside = []
    used: set[str] = set()
    if None not in sides:
        beside = [folder.name for folder in tlkit.files.subfolders(root) if folder not in sides.values()]
        set_aside += [tlkit.SetAside(name, "folder beside train, validation and test; not used") for name in beside]
    for split, classes in folders.items():
        for folder in classes:
            for file in tlkit.files.walk(folder):
                key = tlkit.files.key_of(file, root)
                if tlkit.files.is_image(file):
                    samples.append((key, file, folder.name, split))
                    used.add(folder.name)
                else:
                    set_aside.append(tlkit.SetAside(key, "not an image by its name"))
    set_aside += [tlkit.SetAside(name, "class folder without images") for name in names if name not in used]
    class_names = tuple(name for name in names if name in used)
    number = {name: index for index, name in enumerate(class_names)}
    return tlkit.SampleSet(
        samples=tuple(
            tlkit.Sample(key, file, label=number[name], split=split)
            for key, file, name, split in sorted(samples, key=lambda each: each[0])
        ),
        classes=class_names,
        set_aside=tuple(set_aside),
        root=root.resolve(),
    )
