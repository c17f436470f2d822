"""COCO JSON (Lin et al., "Microsoft COCO", ECCV 2014; cocodataset.org/#format-data)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import tlkit
from tlkit_annotations.class_table import some
from tlkit_annotations.coco_records import Segment, Skipped, id_of, packed
from tlkit_annotations.detection import detected, root_of
from tlkit_annotations.found import AnnotatedImage, Found, without_repeats
from tlkit_annotations.options import CocoOptions
from tlkit_annotations.places import ImageFinder, below, existing, photo_of
from tlkit_annotations.reading import (
    fields_of,
    items_of,
    json_files,
    kind_of,
    mentions,
    name_of,
    read_json_object,
    side_of,
)
from tlkit_annotations.samples import sample_set
from tlkit_annotations.shapes import Shape

_LOOKED_AT = 60
"""Number of JSON files in a folder that are looked into for annotations."""


def open_coco(ctx: tlkit.DatasetContext, options: CocoOptions) -> tlkit.SampleSet:
    """Read all annotation files, and list the images that they name.

    Raises:
        DataError: a file can't be read, is not COCO, or no image can be used.
    """
    path = existing(options.path)
    files = _named_files(path, options) if options.files else annotation_files(path)
    if not files:
        raise tlkit.DataError(
            f"data.path: {path.absolute()}: no COCO annotations; expected a JSON file with images, annotations and "
            "categories, in the folder itself, in annotations/ or in train/, valid/ and test/"
        )
    return sample_set(_found(path, files, options), ctx.task, options)


def detect_coco(path: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    """Recognise COCO annotations in a folder or file.

    Raises:
        DataError: they can't be read.
    """
    files = annotation_files(path)
    if not files:
        return None
    options = CocoOptions(path=path)
    found = _found(path, files, options)
    if not found.images and any(tlkit.files.images_in(found.root)):
        return None  # the folder's images are not these
    beside = sorted(file.name for file in annotation_files(path.parent) if file != path) if path.is_file() else []
    if beside:
        note = f"other annotations beside it are not used: {some(beside, 3)}; give the folder to use all of them"
        found = replace(found, notes=(*found.notes, note))
    return detected(found, task, options, {"path": path})


def annotation_files(path: Path) -> dict[Path, tlkit.Split | None]:
    """Return the annotation files of a folder, each with the split that its name or its folder says."""
    if path.is_file():
        return {path: None} if path.suffix.lower() == ".json" and _is_coco(path) else {}
    folders = [path, path / "annotations"]
    if path.is_dir():
        splits_of = [each for each in tlkit.files.subfolders(path) if _split_of(each.name)]
        folders += [folder for each in splits_of for folder in (each, each / "annotations")]
    found = [each for folder in folders for each in list(json_files(folder))[:_LOOKED_AT] if _is_coco(each)]
    instances = [each for each in found if each.name.startswith("instances")]
    splits: dict[Path, tlkit.Split | None] = {}
    for each in instances or found:
        names = [each.stem, *reversed(each.parent.relative_to(path).parts)]
        splits[each] = next(filter(None, map(_split_of, names)), None)
    return splits if len(splits) > 1 else dict.fromkeys(splits)


def _is_coco(file: Path) -> bool:
    return mentions(file, '"images"', '"annotations"', '"category_id"', '"categories"')


def _split_of(name: str) -> tlkit.Split | None:
    """Return the split that one word of a name means, such as ``instances_val2017``."""
    splits = {tlkit.files.split_named(word) for word in re.findall("[a-z]+", name.lower())} - {None}
    return splits.pop() if len(splits) == 1 else None


def _named_files(path: Path, options: CocoOptions) -> dict[Path, tlkit.Split | None]:
    root = root_of(path)
    files: dict[Path, tlkit.Split | None] = {}
    for name, split in options.files.items():
        file = below(root, name)
        if file is None or not file.is_file():
            raise tlkit.DataError(f"data.files: no file {name} below {root.absolute()}")
        files[file] = split or None
    return files


class _Image(NamedTuple):
    name: str
    size: tuple[int, int] | None


class _File(NamedTuple):
    """The content of an annotation file.

    Args:
        images: id → image.
        segments: id of an image → its annotations.
        names: id of a category → class name.
        notes: what can't be used.
    """

    images: dict[Any, _Image]
    segments: dict[Any, list[Segment]]
    names: dict[Any, str]
    notes: list[str]


def _found(path: Path, files: dict[Path, tlkit.Split | None], options: CocoOptions) -> Found:
    root = root_of(path)
    if options.images is not None:
        root = tlkit.files.existing_folder(options.images, "data.images")
    elif root.name == "annotations" and not any(tlkit.files.images_in(root)):
        root = root.absolute().parent if root == Path() else root.parent
    finder = ImageFinder(root)
    images: list[AnnotatedImage] = []
    names: dict[str, None] = {}
    aside: list[tlkit.SetAside] = []
    notes: list[str] = []
    crowds: set[str] = set()
    objects: set[str] = set()
    for file, split in files.items():
        content = _read(file, options)
        names |= dict.fromkeys(content.names.values())
        for each in chain.from_iterable(content.segments.values()):
            if each.drawable:
                (crowds if each.crowd else objects).add(content.names[each.category])
        prefix = f"{file.name}: " if len(files) > 1 else ""
        notes += [prefix + note for note in content.notes]
        folders = [each for each in finder.folders if split and _split_of(each.name) == split]
        for number, image in content.images.items():
            place = finder.find(image.name, file.parent, *folders)
            if isinstance(place, str):
                aside.append(tlkit.SetAside(image.name, f"{place} ({file.name})"))
            else:
                images.append(_annotated(place, root, file, split, image, content, number))
    listed = {image.file for image in images}
    if others := len(finder.images) - len(listed):
        notes.append(f"images below {root} that are in no annotation file, not used: {others}")
    once, repeats = without_repeats(images, options.twice)
    return Found(
        title=f"COCO annotations: {len(files)} file{'s' if len(files) > 1 else ''}",
        images=tuple(once),
        names=tuple(names),
        root=root,
        sources=tuple(files),
        set_aside=tuple(aside),
        notes=(*notes, *repeats),
        crowd_names=frozenset(crowds - objects) if options.crowd != "object" else frozenset(),
    )


def _annotated(
    place: Path,
    root: Path,
    file: Path,
    split: tlkit.Split | None,
    image: _Image,
    content: _File,
    number: Any,
) -> AnnotatedImage:
    segments = content.segments.get(number, [])
    areas: dict[str, float] = {}
    for segment in segments:
        name = content.names[segment.category]
        areas[name] = areas.get(name, 0.0) + segment.area

    def load() -> list[Shape]:
        return [shape for each in segments if (shape := each.shape(content.names[each.category])) is not None]

    return AnnotatedImage(
        key=tlkit.files.key_of(place, root),
        file=place,
        source=file,
        size=image.size,
        areas=areas,
        drawn=frozenset(content.names[each.category] for each in segments if each.drawable),
        load=load,
        undrawn=sum(1 for each in segments if not each.drawable),
        annotated=bool(segments),
        split=split,
        group=photo_of(place.name),
    )


def _read(file: Path, options: CocoOptions) -> _File:
    """Read an annotation file.

    Raises:
        DataError: it can't be read, or is not COCO.
    """
    content = read_json_object(file, hook=packed)
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise tlkit.DataError(
                f'{file}: expected COCO annotations with a list "{key}", received {kind_of(content.get(key))}'
            )
    notes: list[str] = []
    names = _names(content["categories"], options, notes)
    images, skipped = _images(content["images"])
    segments: dict[Any, list[Segment]] = {}
    for each in content["annotations"]:
        if isinstance(each, Segment) and each.image in images and each.category in names:
            segments.setdefault(each.image, []).append(each.checked(images[each.image].size))
        elif isinstance(each, Segment):
            unknown = "image" if each.image not in images else "category"
            skipped[f"annotations of an {unknown} id that the file does not define".replace("an cat", "a cat")] += 1
        else:
            skipped[each.reason if isinstance(each, Skipped) else "annotations that are no objects"] += 1
    notes += [f"{what}, not used: {count}" for what, count in skipped.items()]
    notes += _segment_notes([*segments.values()])
    return _File(images, segments, names, notes)


def _segment_notes(segments: Sequence[list[Segment]]) -> list[str]:
    found = Counter(segment.undrawn for each in segments for segment in each if segment.undrawn)
    parts = sum(segment.dropped for each in segments for segment in each)
    few = [f"parts of shapes with fewer than three points, not drawn: {parts}"] if parts else []
    regions = sum(segment.crowd for each in segments for segment in each)
    crowds = [f"regions of many objects (iscrowd = 1), see data.crowd: {regions}"] if regions else []
    return [*(f"{what}, not drawn: {count}" for what, count in found.items()), *few, *crowds]


def _images(items: list[Any]) -> tuple[dict[Any, _Image], Counter[str]]:
    images: dict[Any, _Image] = {}
    skipped: Counter[str] = Counter()
    for each in items:
        fields = fields_of(each)
        height, width, number = side_of(fields.get("height")), side_of(fields.get("width")), id_of(fields.get("id"))
        name = fields.get("file_name")
        if not isinstance(name, str) or number is None:
            skipped["images without a file name or an id"] += 1
        elif number in images:
            skipped["images whose id another image has"] += 1
        else:
            images[number] = _Image(name, None if height is None or width is None else (height, width))
    return images, skipped


def _names(items: list[Any], options: CocoOptions, notes: list[str]) -> dict[Any, str]:
    names: dict[Any, str] = {}
    for each in items_of(items):
        fields = fields_of(each)
        name, number = name_of(fields.get(options.categories) or fields.get("name")), id_of(fields.get("id"))
        if not name or number is None:
            notes.append("a category without a name or an id; not used")
        elif number in names and names[number] != name:
            notes.append(f'the id {number} is of the categories "{names[number]}" and "{name}"; the first counts')
        else:
            names[number] = name
    repeated = [name for name, count in Counter(names.values()).items() if count > 1]
    if repeated and options.categories == "name":
        notes.append(f"several categories have the same name and are one class: {', '.join(repeated)}")
    return names
