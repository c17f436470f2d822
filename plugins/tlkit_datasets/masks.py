"""Images and masks, paired by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import tlkit
from tlkit_datasets.mask_pairs import Found, Names, Side, by_plain_name, nearest_name, side
from tlkit_datasets.options import MasksOptions
from tlkit_datasets.values import mask_table

_SHOWN = 3
"""Lines of a list that a message names."""


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
    splits, sources, notes = _listed(options, images)
    samples, set_aside = [], [*_without_partner(image_side, images, mask_side, masks, options)]
    for name in sorted(images.keys() & masks.keys()):
        found = images[name]
        key = tlkit.files.key_of(found.file, image_side.root)
        if splits is not None and name not in splits:
            set_aside.append(tlkit.SetAside(key, f"in none of the lists in {options.lists}"))
            continue
        split = splits[name] if splits is not None else found.split if options.splits == "folders" else None
        samples.append(tlkit.Sample(key, found.file, mask=masks[name].file, split=split))
    if not samples:
        raise tlkit.DataError(
            f"data.lists: none of the {len(images)} images in {image_side.root} is named in the lists in {options.lists}"
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
    options: MasksOptions, images: Mapping[str, Found]
) -> tuple[dict[str, tlkit.Split] | None, tuple[Path, ...], tuple[str, ...]]:
    """Return the split of each image that the lists name, the lists, and notes; None without lists."""
    if options.lists is None:
        return None, (), ()
    folder = tlkit.files.existing_folder(options.lists, "data.lists")
    files = {file: tlkit.files.split_named(file.stem) for file in sorted(folder.glob("*.txt"))}
    lists = {file: split for file, split in files.items() if split is not None}
    if "train" not in lists.values():
        raise tlkit.DataError(
            f"data.lists: no train.txt in {folder}; expected train.txt, and val.txt or test.txt beside it"
        )
    known = {name: name for name in images}
    last: dict[str, list[str]] = {}
    for name in images:
        last.setdefault(PurePosixPath(name).name, []).append(name)
    known |= {short: names[0] for short, names in last.items() if len(names) == 1}
    splits: dict[str, tlkit.Split] = {}
    notes = []
    for file, split in lists.items():
        missing = []
        for line in _lines(file):
            match = next((known[each] for each in _spellings(line, options) if each in known), None)
            if match is None:
                missing.append(line)
            elif splits.setdefault(match, split) != split:
                raise tlkit.DataError(
                    f"{file}: {line} is in the {splits[match]} split as well; remove it from one list"
                )
        if missing:
            rest = "" if len(missing) <= _SHOWN else f" … {len(missing) - _SHOWN} more"
            notes.append(f"{file}: images that do not exist: {', '.join(missing[:_SHOWN])}{rest}")
    return splits, tuple(lists), tuple(notes)


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise tlkit.DataError(f"{file}: not a list in UTF-8: {error}") from error
    return [line.strip().replace("\\", "/") for line in text.splitlines() if line.strip()]


def _spellings(line: str, options: MasksOptions) -> Iterator[str]:
    """Yield what a line may name: an image's path or name, with or without suffix, perhaps followed by its mask."""
    names = Names(options.image_prefix, options.image_suffix)
    for text in dict.fromkeys((line, line.split()[0])):
        path = PurePosixPath(text)
        cores = [text, names.core(Path(path.name)), names.core(Path(f"{path.name}.png"))]
        parents = ["/".join(path.parts[start:-1]) for start in range(len(path.parts))]
        yield from (f"{parent}/{core}".lstrip("/") for core in cores if core for parent in parents)
