"""Projects of Supervisely: data sets with ``img/`` and ``ann/*.json`` (docs.supervisely.com, annotation format)."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections import Counter
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import tlkit
from tlkit_annotations.detection import detected
from tlkit_annotations.found import AnnotatedImage, Found, unannotated
from tlkit_annotations.reading import (
    MAX_IMAGE_FILE,
    color_of,
    fields_of,
    files_with,
    items_of,
    mentions,
    name_of,
    number_of,
    read_json_object,
    side_of,
)
from tlkit_annotations.samples import sample_set
from tlkit_annotations.shapes import MAX_PIXELS, Shape, is_path, path_area
from tlkit_annotations.tool_options import TaggedOptions

_LOOKED_AT = 5
_META = "meta.json"


def open_supervisely(ctx: tlkit.DatasetContext, options: TaggedOptions) -> tlkit.SampleSet:
    """Read the annotations of each image of a project, or of one data set of it.

    Raises:
        DataError: there are no annotations, one can't be read, or no image can be used.
    """
    path = tlkit.files.existing_folder(options.path, "data.path")
    folders = data_set_folders(path)
    if not folders:
        raise tlkit.DataError(
            f"data.path: {path.absolute()}: no Supervisely data set; expected folders with img/ and ann/*.json in them"
        )
    return sample_set(_found(path, folders, tags=_by_tags(ctx.task, options)), ctx.task, options)


def detect_supervisely(path: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    """Recognise a project of Supervisely, or a data set of one.

    Raises:
        DataError: it can't be read.
    """
    folders = data_set_folders(path) if path.is_dir() else []
    if not folders:
        return None
    options = TaggedOptions(path=path)
    found = _found(path, folders, tags=False)
    if task != "segmentation" and not any(image.areas for image in found.images):
        tagged = options.model_copy(update={"source": "tags"})
        by_tags = _found(path, folders, tags=True)
        if any(image.areas for image in by_tags.images):
            return detected(by_tags, "classification", tagged, {"path": path, "source": "tags"})
    return detected(found, task, options, {"path": path})


def data_set_folders(path: Path) -> list[Path]:
    """Return the folders with ``img`` and ``ann``: the path itself, or those up to two levels below it."""
    below = tlkit.files.subfolders(path)
    folders = [path, *below, *chain.from_iterable(map(tlkit.files.subfolders, below[:1000]))]
    return [folder for folder in folders if (folder / "img").is_dir() and _has_annotations(folder / "ann")]


def _has_annotations(folder: Path) -> bool:
    files = islice(files_with(folder, ".json"), _LOOKED_AT)
    return any(mentions(file, '"size"', '"objects"', limit=MAX_IMAGE_FILE) for file in files)


def _by_tags(task: tlkit.Task, options: TaggedOptions) -> bool:
    return task == "classification" and options.source == "tags"


def _found(path: Path, folders: list[Path], *, tags: bool) -> Found:
    meta = next((file for file in (path / _META, path.parent / _META) if file.is_file()), None)
    names, colors = _classes(meta) if meta is not None else ([], {})
    images: list[AnnotatedImage] = []
    aside: list[tlkit.SetAside] = []
    unusable: Counter[str] = Counter()
    sources: list[Path] = [] if meta is None else [meta]
    for folder in folders:
        by_name = {file.name: file for file in tlkit.files.own_images(folder / "img")}
        by_stem = {file.stem: file for file in by_name.values()}
        for file in files_with(folder / "ann", ".json"):
            image = by_name.pop(file.stem, None) or by_stem.get(file.stem)
            if image is None:
                aside.append(tlkit.SetAside(tlkit.files.key_of(file, path), f"no image {file.stem} in img/"))
                continue
            by_name.pop(image.name, None)
            sources.append(file)
            images.append(_annotated(path, image, file, folder, tags=tags, unusable=unusable))
        images += [unannotated(tlkit.files.key_of(image, path), image, image) for image in by_name.values()]
    return Found(
        title=f"Supervisely: {len(folders)} data set{'s' if len(folders) > 1 else ''}",
        images=tuple(images),
        names=tuple(dict.fromkeys([*([] if tags else names), *sorted({n for image in images for n in image.areas})])),
        root=path,
        sources=tuple(sources),
        set_aside=tuple(aside),
        notes=tuple(f"{count} objects are {what}; not used" for what, count in unusable.items()),
        colors=colors,
    )


def _classes(meta: Path) -> tuple[list[str], dict[str, tuple[int, int, int]]]:
    names: list[str] = []
    colors: dict[str, tuple[int, int, int]] = {}
    for each in map(fields_of, items_of(read_json_object(meta).get("classes"))):
        if name := name_of(each.get("title")):
            names.append(name)
            if (color := color_of(each.get("color"))) is not None:
                colors[name] = color
    return names, colors


def _annotated(
    root: Path, image: Path, file: Path, folder: Path, *, tags: bool, unusable: Counter[str]
) -> AnnotatedImage:
    content = read_json_object(file, MAX_IMAGE_FILE)
    size = fields_of(content.get("size"))
    height, width = side_of(size.get("height")), side_of(size.get("width"))
    areas: dict[str, float] = {}
    drawn: set[str] = set()
    undrawn = 0
    if tags:
        names = (name_of(fields_of(each).get("name")) for each in items_of(content.get("tags")))
        areas = {name: 1.0 for name in names if name}
    for each in () if tags else map(fields_of, items_of(content.get("objects"))):
        name = name_of(each.get("classTitle"))
        shape = _shape(name, each)
        if isinstance(shape, str):
            unusable[shape] += 1
            undrawn += 1
        else:
            drawn.add(name)
        if name:
            areas[name] = areas.get(name, 0.0) + (1.0 if isinstance(shape, str) else _area(shape))
    return AnnotatedImage(
        key=tlkit.files.key_of(image, root),
        file=image,
        source=file,
        size=None if height is None or width is None else (height, width),
        areas=areas,
        drawn=frozenset(drawn),
        load=partial(_shapes, file),
        undrawn=undrawn,
        annotated=bool(areas),
        split=tlkit.files.split_named(folder.name),
    )


def _shapes(file: Path) -> list[Shape]:
    objects = map(fields_of, items_of(read_json_object(file, MAX_IMAGE_FILE).get("objects")))
    shapes = [_shape(name_of(each.get("classTitle")), each) for each in objects]
    return [each for each in shapes if isinstance(each, Shape)]


def _shape(name: str, fields: dict[str, Any]) -> Shape | str:
    """Return a shape; or what the object is, in the plural, if it can't be drawn."""
    kind = str(fields.get("geometryType") or ("bitmap" if fields.get("bitmap") else "polygon"))
    if not name:
        return "without a class"
    if kind == "bitmap":
        return _bitmap(name, fields_of(fields.get("bitmap")))
    points = fields_of(fields.get("points"))
    exterior = _flat(points.get("exterior"))
    if kind == "rectangle" and is_path(exterior, 2) and len(exterior) == 4:
        return Shape(name, "rectangle", exterior)
    if kind == "polygon" and is_path(exterior, 3):
        holes = tuple(hole for each in items_of(points.get("interior")) if is_path(hole := _flat(each), 3))
        return Shape(name, "outline", exterior, holes)
    return f"of the type {kind:.40}" + ("" if kind not in ("polygon", "rectangle") else " without enough points")


def _bitmap(name: str, fields: dict[str, Any]) -> Shape | str:
    origin, data = fields.get("origin"), fields.get("data")
    if not isinstance(data, str) or not is_path(origin) or not isinstance(origin, list) or len(origin) != 2:
        return "bitmaps without data or origin"
    return Shape(name, "png", [round(origin[0]), round(origin[1]), _as_png(data)])


def _as_png(text: str) -> str:
    """Return the base64 of a PNG that is compressed by zlib, or of one that is not, as older projects have it."""
    try:
        compressed = base64.b64decode(text)
        unpacked = zlib.decompressobj().decompress(compressed, 4 * MAX_PIXELS)
    except (binascii.Error, ValueError, zlib.error):
        return text
    return base64.b64encode(unpacked).decode("ascii")


def _flat(points: Any) -> list[Any]:
    """Return a list of points as [x, y, x, y, …]."""
    pairs = [each for each in items_of(points) if isinstance(each, list) and len(each) == 2]
    flat = [number_of(value) for value in chain.from_iterable(pairs)]
    return [] if None in flat or len(pairs) != len(items_of(points)) else flat


def _area(shape: Shape) -> float:
    if shape.kind == "png":
        from tlkit_annotations.bitmaps import png_pixels

        try:
            return float(png_pixels(shape.value[2], MAX_PIXELS).sum())
        except tlkit.DataError:
            return 1.0
    if shape.kind == "rectangle":
        left, top, right, bottom = shape.value
        return float(abs(right - left) * abs(bottom - top))
    return float(path_area(shape.value))
