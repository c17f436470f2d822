"""Images and masks, paired by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import tlkit
from tlkit_datasets.mask_pairs import Found, Names, Side, by_plain_name, nearest_name, side
from tlkit_datasets.options import MasksOptions
from tlkit_datasets.values import mask_table


def open_masks(ctx: tlkit.DatasetContext, options: MasksOptions) -> tlkit.SampleSet:  # noqa: ARG001
    """Pair images and masks by their relative paths without prefix and suffix.

    Raises:
        DataError: a folder does not exist, names are ambiguous, or no image has a mask.
    """
    image_side = side(options.images, "data.images", Names(options.image_prefix, options.image_suffix))
    mask_side = side(options.masks, "data.masks", Names(options.mask_prefix, options.mask_suffix))
    classes, table, colors = mask_table(
        options.values, options.ignore, options.other, options.channel, nearest=options.nearest
    )
    images, masks = image_side.files(mask_side), mask_side.files(image_side)
    if not images.keys() & masks.keys():
        raise tlkit.DataError(_unpaired(image_side, images, mask_side, masks))
    splits, sources, notes = _listed(options, images, image_side.root)
    samples, set_aside = [], [*_without_partner(image_side, images, mask_side, masks, options)]
    for name in sorted(images.keys() & masks.keys()):
        found = images[name]
        key = tlkit.files.key_of(found.file, image_side.root)
        if splits is not None and name not in splits:
            set_aside.append(tlkit.SetAside(key, f"in none of the lists in {sources[0].parent}"))
            continue
        split = splits[name] if splits is not None else found.split if options.splits == "folders" else None
        samples.append(tlkit.Sample(key, found.file, mask=masks[name].file, split=split))
    if not samples:
        raise tlkit.DataError(
            f"data.lists: none of the {len(images)} images in {image_side.root} is named in the lists in "
            f"{sources[0].parent}"
        )
    return tlkit.SampleSet(
        samples=tuple(sorted(samples, key=lambda sample: sample.key)),
        classes=classes,
        mask_table=table,
        set_aside=tuple(set_aside),
        root=image_side.root.resolve(),
        sources=sources,
        notes=notes,
        colors=colors,
    )


def _without_partner(
    image_side: Side, images: Mapping[str, Found], mask_side: Side, masks: Mapping[str, Found], options: MasksOptions
) -> Iterator[tlkit.SetAside]:
    """Yield the images without a mask, and the masks without an image."""
    plain_images, plain_masks = by_plain_name(images), by_plain_name(masks)
    for name, found in images.items():
        if name not in masks:
            hint = nearest_name(name, plain_masks)
            key = tlkit.files.key_of(found.file, image_side.root)
            yield tlkit.SetAside(key, f"no mask {mask_side.names.name(name)} in {options.masks}{hint}")
    for name, found in masks.items():
        if name not in images:
            hint = nearest_name(name, plain_images)
            key = f"{mask_side.root}/{tlkit.files.key_of(found.file, mask_side.root)}"
            yield tlkit.SetAside(key, f"mask without an image{hint}")


def _unpaired(image_side: Side, images: Mapping[str, Found], mask_side: Side, masks: Mapping[str, Found]) -> str:
    """Return the message for images and masks of which no two have the same name."""
    message = (
        f"data.masks: none of the {len(images)} images in {image_side.root} has a mask of the same name among the "
        f"{len(masks)} in {mask_side.root}"
    )
    if images and masks:
        first, other = next(iter(images)), next(iter(masks))
        hint = nearest_name(first, by_plain_name(masks))
        message += f"; the first image is {image_side.names.name(first)}, the first mask {mask_side.names.name(other)}"
        if hint:
            return message + hint
    return message + (
        '; if the masks are named like "a_mask.png", set data.mask_suffix = "_mask"; if the images are named like '
        '"a_sat.jpg", data.image_suffix = "_sat"'
    )


def _listed(
    options: MasksOptions, images: Mapping[str, Found], root: Path
) -> tuple[Mapping[str, tlkit.Split] | None, tuple[Path, ...], tuple[str, ...]]:
    """Return the split of each image that the lists name, the lists, and notes; None without lists."""
    if options.splits != "lists":
        if options.lists is not None:
            raise tlkit.DataError('data.lists: expected data.splits = "lists" beside it')
        return None, (), ()
    if options.lists is not None:
        folders = [tlkit.files.existing_folder(options.lists, "data.lists")]
    else:
        folders = list(dict.fromkeys([root, root.parent]))
    files = next((found for each in folders if (found := tlkit.files.find_split_lists(each, ("Segmentation",)))), ())
    if not files:
        raise tlkit.DataError(
            f"data.lists: no train.txt or test.txt in {' or '.join(map(str, folders))}; expected lists of the images "
            "of each split"
        )
    lists = tlkit.files.read_split_lists(files)
    keys = {tlkit.files.key_of(found.file, root): name for name, found in images.items()}
    by_file = lists.assign(keys)
    by_name = lists.assign(images)
    # With a prefix or suffix, lists may name the images as the masks do.
    if len(by_name.missing) < len(by_file.missing):
        return by_name.splits, files, tlkit.files.missing_note(by_name, files)
    splits = {keys[key]: split for key, split in by_file.splits.items()}
    return splits, files, tlkit.files.missing_note(by_file, files)
