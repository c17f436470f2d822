"""Masks of colours, as CVAT's "segmentation mask" and the Pascal VOC challenge have them, and VOC's XML for labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tlkit
from tlkit_annotations.class_table import ClassTable, class_table
from tlkit_annotations.found import in_split_order
from tlkit_annotations.image_sets import ImageLists, read_image_lists
from tlkit_annotations.label_map import VOID, Color, read_label_map, standard_colors
from tlkit_annotations.mask_counts import colors_in
from tlkit_annotations.tool_options import VocOptions
from tlkit_annotations.voc_labels import detect_labels, has_labels, open_labels

MASKS = "SegmentationClass"
_OBJECTS = "SegmentationObject"
_IMAGE_FOLDERS = ("jpegimages", "images")
_LISTS = Path("ImageSets", "Segmentation")
_LABEL_MAP = "labelmap.txt"
_OPENED = 100
"""Maximum number of masks that ``tlkit init`` opens."""


def open_voc(ctx: tlkit.DatasetContext, options: VocOptions) -> tlkit.SampleSet:
    """Pair the images with the masks in ``SegmentationClass``, or read the labels in ``Annotations``.

    Raises:
        DataError: the folder has neither, or no image can be used.
    """
    root = tlkit.files.existing_folder(options.path, "data.path")
    if ctx.task == "classification":
        return open_labels(root, options)
    if not (root / MASKS).is_dir():
        raise tlkit.DataError(f"data.path: {root.absolute()}: no folder {MASKS}; expected the folder that contains it")
    layout = _layout(root, options.images)
    table = _table(layout, options)
    samples = [
        tlkit.Sample(tlkit.files.key_of(image, layout.folder), image, mask=layout.masks[key], split=split)
        for key, image, split in layout.pairs()
    ]
    if not samples:
        raise tlkit.DataError(_why_none(layout))
    aside = [
        *(tlkit.SetAside(key, f"no image in {layout.folder}") for key in layout.listed() if key not in layout.images),
        *(tlkit.SetAside(key, f"no mask in {MASKS}") for key in layout.listed() if key not in layout.masks),
    ]
    return tlkit.SampleSet(
        samples=tuple(sorted(samples, key=lambda each: each.key)),
        classes=table.classes,
        mask_table=_mask_table(layout, table),
        set_aside=tuple(aside),
        root=layout.folder.resolve(),
        sources=tuple(each for each in (layout.label_map, *layout.lists.files) if each is not None),
        notes=(*layout.lists.notes, *_notes(layout), *table.notes),
        colors={number: layout.colors[name] for name, number in table.numbers.items() if number != tlkit.IGNORE},
    )


def detect_voc(path: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    """Recognise a folder with ``SegmentationClass`` beside a ``labelmap.txt`` or ``ImageSets``, or with VOC's XML.

    Raises:
        DataError: it has masks, but no image for them, or a file can't be read.
    """
    if not path.is_dir():
        return None
    named = (path / _LABEL_MAP).is_file() or (path / _LISTS).is_dir()
    masked = named and (path / MASKS).is_dir() and any(tlkit.files.images_in(path / MASKS))
    if task == "classification" or not masked:
        return detect_labels(path) if task != "segmentation" and has_labels(path) else None
    layout = _layout(path, None)
    pairs = list(layout.pairs())
    if not pairs:
        raise tlkit.DataError(_why_none(layout))
    options = VocOptions(path=path)
    table = _table(layout, options)
    every = max(1, -(-len(pairs) // _OPENED))
    counts: dict[str, Counter[str]] = {}
    splits: Counter[str] = Counter()
    unknown: Counter[Color] = Counter()
    values = _mask_table(layout, table).values
    for row, (key, _, split) in enumerate(pairs):
        splits[split or ""] += 1
        if row % every == 0:
            colors = colors_in(layout.masks[key])
            if colors is None:  # class numbers, which the data set "masks" reads
                return None
            unknown.update(color for color in colors if color not in values)
            numbers = {values[color] for color in colors if color in values} - {tlkit.IGNORE}
            counts.setdefault(split or "", Counter()).update(table.classes[number] for number in sorted(numbers))
    opened = -(-len(pairs) // every)
    notes = [*layout.lists.notes, *_notes(layout)]
    if opened < len(pairs):
        notes.append(f"classes were counted in {opened} of {len(pairs)} masks")
    if unknown:
        shown = ", ".join("#{:02x}{:02x}{:02x}".format(*color) for color, _ in unknown.most_common(5))
        notes.append(f"colours of no class in the masks: {shown}; name them in {_LABEL_MAP}")
    if has_labels(path):
        notes.append("--task classification learns which classes an image has, from Annotations")
    names = [name for name in table.classes if name != options.background]
    return tlkit.Detected(
        title=f"masks of colours in {MASKS} (CVAT, Pascal VOC), {len(pairs)} images",
        task="segmentation",
        options={"path": path, "classes": names},
        comments={"classes": "remove those that are not to be learnt"},
        counts={split: dict(counts.get(split, {})) for split in in_split_order(splits)},
        images=tuple(image for _, image, _ in pairs),
        splits={split: splits[split] for split in in_split_order(splits)},
        tasks=("segmentation", "classification") if has_labels(path) else ("segmentation",),
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Layout:
    """The files of a folder with ``SegmentationClass``.

    Args:
        folder: the folder of the images.
        masks: the mask's path below ``SegmentationClass``, without its suffix → mask.
        images: the image's path below ``folder``, without its suffix → image.
        lists: the lists of images.
        colors: class → colour, the background first.
        label_map: the file that names the colours; None: the classes of the challenge.
    """

    folder: Path
    masks: Mapping[str, Path]
    images: Mapping[str, Path]
    lists: ImageLists
    colors: Mapping[str, Color]
    label_map: Path | None

    def listed(self) -> list[str]:
        """Return the names of the images in the lists; of those with a mask if there are no lists."""
        return sorted(self.lists.splits or self.masks)

    def pairs(self) -> Iterator[tuple[str, Path, tlkit.Split | None]]:
        """Yield name, image and split of the listed images that have a mask."""
        for key in self.listed():
            if key in self.images and key in self.masks:
                yield key, self.images[key], self.lists.splits.get(key)


def _layout(root: Path, images: Path | None) -> _Layout:
    label_map = root / _LABEL_MAP
    has_map = label_map.is_file()
    folder = _image_folder(root) if images is None else tlkit.files.existing_folder(images, "data.images")
    return _Layout(
        folder,
        _by_key(root / MASKS, tlkit.files.images_in(root / MASKS)),
        _by_key(folder, _image_files(folder, root)),
        read_image_lists(root / _LISTS) if (root / _LISTS).is_dir() else ImageLists(),
        read_label_map(label_map) if has_map else standard_colors(),
        label_map if has_map else None,
    )


def _image_folder(root: Path) -> Path:
    names = {each.name.lower(): each for each in tlkit.files.subfolders(root)}
    return next((names[name] for name in _IMAGE_FOLDERS if name in names), root)


def _image_files(folder: Path, root: Path) -> Iterator[Path]:
    masks = {(root / name).resolve() for name in (MASKS, _OBJECTS)}
    return (file for file in tlkit.files.images_in(folder) if not masks.intersection(file.resolve().parents))


def _by_key(folder: Path, files: Iterator[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        key = file.relative_to(folder).with_suffix("").as_posix()
        if key in found:
            raise tlkit.DataError(
                f"{found[key]} and {file} have the same name but for the suffix, so their pair is ambiguous; "
                "rename or remove one"
            )
        found[key] = file
    return found


def _table(layout: _Layout, options: VocOptions) -> ClassTable:
    names = list(layout.colors)
    return class_table(options, names, names, with_background=True, background_names=names[:1])


def _mask_table(layout: _Layout, table: ClassTable) -> tlkit.MaskTable:
    values: dict[tlkit.MaskValue, int] = {VOID: tlkit.IGNORE}
    values |= table.of_values({color: name for name, color in layout.colors.items()})
    return tlkit.MaskTable(values)


def _notes(layout: _Layout) -> Iterator[str]:
    if layout.lists.splits and (unlisted := [key for key in layout.masks if key not in layout.lists.splits]):
        yield f"masks in no list of {_LISTS.as_posix()}, so not used: {len(unlisted)}, such as {unlisted[0]}"
    unpaired = [key for key in layout.masks if key not in layout.images]
    if unpaired and not layout.lists.splits:
        yield f"masks without an image: {len(unpaired)}, such as {unpaired[0]}"


def _why_none(layout: _Layout) -> str:
    return (
        f"{layout.folder}: no image for any of the {len(layout.masks)} masks in {MASKS}; put the images into a folder "
        "JPEGImages beside it, with the names of the masks, or name their folder with data.images"
    )
