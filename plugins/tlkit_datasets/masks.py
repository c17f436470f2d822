"""Images and masks, paired by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import tlkit
from tlkit_datasets.options import MasksOptions
from tlkit_datasets.values import mask_table


def open_masks(ctx: tlkit.DatasetContext, options: MasksOptions) -> tlkit.SampleSet:  # noqa: ARG001
    """Pair the images of one folder with the masks of another by their relative paths without suffix.

    Raises:
        DataError: a folder does not exist, names are ambiguous, or no image has a mask.
    """
    images_root = tlkit.files.existing_folder(options.images, "data.images")
    masks_root = tlkit.files.existing_folder(options.masks, "data.masks")
    classes, table, colors = mask_table(options.values, options.ignore, options.other)
    masks = _by_stem(masks_root, tlkit.files.images_in(masks_root), options.mask_suffix)
    images = _images(images_root, masks_root, options.mask_suffix)
    samples = []
    set_aside = []
    split_of = _split_function(images_root)
    for stem, file in images.items():
        key = tlkit.files.key_of(file, images_root)
        if stem in masks:
            samples.append(tlkit.Sample(key, file, mask=masks[stem], split=split_of(file)))
        else:
            set_aside.append(tlkit.SetAside(key, f"no mask {stem}{options.mask_suffix}.* in {options.masks}"))
    for stem, file in masks.items():
        if stem not in images:
            key = f"{masks_root}/{tlkit.files.key_of(file, masks_root)}"
            set_aside.append(tlkit.SetAside(key, "mask without an image"))
    if not samples:
        raise tlkit.DataError(
            f"data.masks: none of the {len(images)} images in {images_root} has a mask of the same name among the "
            f'{len(masks)} in {masks_root}; if the masks are named like "a_mask.png", set data.mask_suffix = "_mask"'
        )
    return tlkit.SampleSet(
        samples=tuple(sorted(samples, key=lambda sample: sample.key)),
        classes=classes,
        mask_table=table,
        set_aside=tuple(set_aside),
        root=images_root.resolve(),
        colors=colors,
    )


def _images(root: Path, masks_root: Path, mask_suffix: str) -> dict[str, Path]:
    """Return the images by stem, without masks that lie among them or in a folder below them."""
    inner, outer = masks_root.resolve(), root.resolve()
    files = tlkit.files.images_in(root)
    if inner == outer and mask_suffix:
        files = (file for file in files if not file.stem.endswith(mask_suffix))
    elif inner != outer and inner.is_relative_to(outer):
        files = (file for file in files if inner not in file.resolve().parents)
    return _by_stem(root, files)


def _by_stem(root: Path, files: Iterable[Path], suffix: str = "") -> dict[str, Path]:
    """Return the files whose stem ends with ``suffix``, by their relative path without it and the file's suffix."""
    by_stem: dict[str, Path] = {}
    for file in files:
        if not file.stem.endswith(suffix):
            continue
        name = file.stem[: len(file.stem) - len(suffix)]
        stem = (file.relative_to(root).parent / name).as_posix()
        if stem in by_stem:
            raise tlkit.DataError(
                f"{by_stem[stem]} and {file} have the same name but for the suffix, so their pair is ambiguous; "
                "rename or remove one"
            )
        by_stem[stem] = file
    return by_stem


def _split_function(root: Path) -> Callable[[Path], tlkit.Split | None]:
    """Return a function from an image to the split of the folder that contains it."""
    folders = {folder: split for split, folder in tlkit.files.split_folders(root).items() if split is not None}

    def split_of(file: Path) -> tlkit.Split | None:
        return next((split for folder, split in folders.items() if folder in file.parents), None)

    return split_of
