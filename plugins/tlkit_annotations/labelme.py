"""LabelMe JSON (Wada, github.com/wkentaro/labelme), drawn as ``labelme.utils.shape`` does."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import tlkit
from tlkit_annotations.detection import detected, root_of
from tlkit_annotations.found import AnnotatedImage, Found, unannotated, without_repeats
from tlkit_annotations.labelme_shapes import area_of, shape_of
from tlkit_annotations.options import LabelmeOptions
from tlkit_annotations.places import ImageFinder
from tlkit_annotations.reading import (
    MAX_IMAGE_FILE,
    fields_of,
    items_of,
    mentions,
    name_of,
    read_json_object,
    side_of,
)
from tlkit_annotations.samples import sample_set
from tlkit_annotations.shapes import Shape

_LOOKED_AT = 20
"""Number of JSON files in a folder that are looked into for annotations."""
_IGNORED = frozenset({"__ignore__"})
_BACKGROUND = frozenset({"_background_"})


def open_labelme(ctx: tlkit.DatasetContext, options: LabelmeOptions) -> tlkit.SampleSet:
    """Read the JSON file of each image; all of them share one class table.

    Raises:
        DataError: the folder has no LabelMe files, or no image can be used.
    """
    path = tlkit.files.existing_folder(options.path, "data.path")
    files = labelme_files(path)
    if not files:
        raise tlkit.DataError(
            f"data.path: {path.absolute()}: no LabelMe annotations; expected JSON files with shapes and imagePath"
        )
    return sample_set(_found(path, files, options, flags=_by_flags(ctx.task, options)), ctx.task, options)


def detect_labelme(path: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    """Recognise a folder of LabelMe files, or one of them.

    Raises:
        DataError: they can't be read.
    """
    if path.is_file():
        if not _is_labelme(path):
            return None
        path = root_of(path)
    files = labelme_files(path)
    if not files:
        return None
    options = LabelmeOptions(path=path)
    found = _found(path, files, options)
    written: dict[str, Any] = {"path": path}
    if task == "classification" or not any(image.areas for image in found.images):
        flagged = _found(path, files, options, flags=True)
        if any(image.areas for image in flagged.images) and not any(image.areas for image in found.images):
            options = options.model_copy(update={"source": "flags"})
            return detected(flagged, "classification", options, {**written, "source": "flags"})
    return detected(found, task, options, written)


def labelme_files(path: Path) -> list[Path]:
    """Return the LabelMe files below a folder; none if the first JSON files in each folder are not LabelMe's."""
    if not path.is_dir():
        return []
    by_folder: dict[Path, list[Path]] = {}
    for file in tlkit.files.walk(path):
        if file.suffix.lower() == ".json":
            by_folder.setdefault(file.parent, []).append(file)
    return [
        file for files in by_folder.values() if any(_is_labelme(each) for each in files[:_LOOKED_AT]) for file in files
    ]


def _is_labelme(file: Path) -> bool:
    return file.suffix.lower() == ".json" and mentions(file, '"shapes"', '"imagePath"', limit=MAX_IMAGE_FILE)


def _by_flags(task: tlkit.Task, options: LabelmeOptions) -> bool:
    return task == "classification" and options.source == "flags"


class _File(NamedTuple):
    """The content of a LabelMe file.

    Args:
        image: the path of its image, as it says.
        embedded: whether the file holds the image itself.
        size: (height, width); None if it does not say.
        shapes: its usable shapes.
        areas: class name → area in pixels.
        flags: names of the flags that are true.
        unusable: what its other shapes are → their number.
    """

    image: str
    embedded: bool
    size: tuple[int, int] | None
    shapes: list[Shape]
    areas: dict[str, float]
    flags: list[str]
    unusable: Counter[str]


def _found(path: Path, files: list[Path], options: LabelmeOptions, *, flags: bool = False) -> Found:
    root = path if options.images is None else tlkit.files.existing_folder(options.images, "data.images")
    finder = ImageFinder(root)
    images: list[AnnotatedImage] = []
    aside: list[tlkit.SetAside] = []
    unusable: Counter[str] = Counter()
    for file in files:
        key = tlkit.files.key_of(file, path)
        if not _is_labelme(file):
            aside.append(tlkit.SetAside(key, "not a LabelMe file"))
            continue
        content = read_labelme(file)
        unusable += content.unusable
        place = _image_of(content, file, finder)
        if isinstance(place, str):
            aside.append(tlkit.SetAside(key, place))
        else:
            images.append(_annotated(place, root, file, content, flags))
    once, repeats = without_repeats(images, options.twice)
    listed = {image.file for image in once}
    once += [unannotated(tlkit.files.key_of(file, root), file, file) for file in finder.images if file not in listed]
    return Found(
        title=f"LabelMe annotations: {len(files)} files",
        images=tuple(once),
        names=tuple(sorted({name for image in once for name in image.areas})),
        root=root,
        sources=tuple(files),
        set_aside=tuple(aside),
        notes=(*(f"shapes {what}, not used: {count}" for what, count in unusable.items()), *repeats),
        background_names=_BACKGROUND,
        ignored_names=_IGNORED,
    )


def _image_of(content: _File, file: Path, finder: ImageFinder) -> Path | str:
    """Return the image of a file: the one that it names, or one of the file's own name; or why there is none."""
    place = finder.find(content.image, file.parent)
    if isinstance(place, str):
        stem = finder.find_stem(file.stem, file.parent)
        place = stem if isinstance(stem, Path) else place
    if isinstance(place, str) and content.embedded:
        place += f"; the JSON file holds it (imageData): save it as a file named {file.stem}"
    return place


def _annotated(place: Path, root: Path, file: Path, content: _File, flags: bool) -> AnnotatedImage:
    areas = dict.fromkeys(content.flags, 1.0) if flags else content.areas
    return AnnotatedImage(
        key=tlkit.files.key_of(place, root),
        file=place,
        source=file,
        size=content.size,
        areas=areas,
        drawn=frozenset(shape.name for shape in content.shapes),
        load=partial(_shapes, file),
        undrawn=content.unusable.total(),
    )


def _shapes(file: Path) -> list[Shape]:
    return read_labelme(file).shapes


def read_labelme(file: Path) -> _File:
    """Read a LabelMe file.

    Raises:
        DataError: it can't be read, or is not a LabelMe file.
    """
    content = read_json_object(file, MAX_IMAGE_FILE)
    if not isinstance(content.get("shapes"), list):
        raise tlkit.DataError(f'{file}: expected a LabelMe file with a list "shapes"')
    shapes: list[Shape] = []
    areas: dict[str, float] = {}
    unusable: Counter[str] = Counter()
    for each in items_of(content["shapes"]):
        shape = shape_of(fields_of(each))
        if isinstance(shape, str):
            unusable[shape] += 1
        else:
            shapes.append(shape)
            areas[shape.name] = areas.get(shape.name, 0.0) + area_of(shape)
    height, width = side_of(content.get("imageHeight")), side_of(content.get("imageWidth"))
    image = content.get("imagePath")
    flags = [name_of(name) for name, value in fields_of(content.get("flags")).items() if value is True]
    return _File(
        image=image if isinstance(image, str) else "",
        embedded=bool(content.get("imageData")),
        size=None if height is None or width is None else (height, width),
        shapes=shapes,
        areas=areas,
        flags=[name for name in flags if name],
        unusable=unusable,
    )
