"""CVAT's XML for images (docs.cvat.ai, "CVAT for image 1.1")."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import chain, islice
from pathlib import Path
from xml.etree.ElementTree import Element

import tlkit
from tlkit_annotations.cvat_shapes import area_of, shape_of
from tlkit_annotations.detection import detected, root_of
from tlkit_annotations.found import AnnotatedImage, Found, same, without_repeats
from tlkit_annotations.places import ImageFinder, existing
from tlkit_annotations.reading import color_of, files_with, mentions, name_of, number_of, read_xml, side_of
from tlkit_annotations.samples import sample_set
from tlkit_annotations.shapes import Shape
from tlkit_annotations.tool_options import CvatOptions

_LOOKED_AT = 60
"""Number of XML files in a folder that are looked into for annotations."""


def open_cvat(ctx: tlkit.DatasetContext, options: CvatOptions) -> tlkit.SampleSet:
    """Read all annotation files; a later shape, or one of a higher z order, lies above.

    Raises:
        DataError: a file can't be read, is a video's, or no image can be used.
    """
    path = existing(options.path)
    files = cvat_files(path)
    if not files:
        raise tlkit.DataError(
            f'data.path: {path.absolute()}: no CVAT annotations; expected an XML file of the format "CVAT for images"'
        )
    return sample_set(_found(path, files, options), ctx.task, options)


def detect_cvat(path: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    """Recognise a folder with CVAT's XML, or such a file.

    Raises:
        DataError: it can't be read, or is a video's.
    """
    files = cvat_files(path)
    if not files:
        return None
    options = CvatOptions(path=path)
    return detected(_found(path, files, options), task, options, {"path": path})


def cvat_files(path: Path) -> list[Path]:
    """Return the annotation files of CVAT: ``path``, or those directly in it, in ``annotations`` and in its splits."""
    if path.is_file():
        return [path] if _is_cvat(path) else []
    if not path.is_dir():
        return []
    subfolders = tlkit.files.subfolders(path)
    folders = [each for each in subfolders if each.name.lower() == "annotations" or tlkit.files.split_named(each.name)]
    files = (file for folder in (path, *folders) for file in islice(files_with(folder, ".xml"), _LOOKED_AT))
    return [file for file in files if _is_cvat(file)]


def _is_cvat(file: Path) -> bool:
    return file.suffix.lower() == ".xml" and mentions(file, "<annotations", "<version>", "<meta>")


def _found(path: Path, files: list[Path], options: CvatOptions) -> Found:
    root = root_of(path)
    if options.images is not None:
        root = tlkit.files.existing_folder(options.images, "data.images")
    elif path.is_file() and path.parent.name.lower() == "annotations":
        root = path.parent.parent
    finder = ImageFinder(root)
    names: dict[str, None] = {}
    colors: dict[str, tuple[int, int, int]] = {}
    images: list[AnnotatedImage] = []
    aside: list[tlkit.SetAside] = []
    unusable: Counter[str] = Counter()
    for file in files:
        content = read_xml(file)
        if content.find("track") is not None:
            raise tlkit.DataError(
                f'{file}: the annotations of a video (tracks); export them as "CVAT for images", with the images'
            )
        for label in content.iterfind("meta//labels/label"):
            if name := name_of(label.findtext("name")):
                names.setdefault(name)
                if (color := color_of(label.findtext("color"))) is not None:
                    colors[name] = color
        for element in content.iterfind("image"):
            name = element.get("name") or ""
            place = finder.find(name, file.parent)
            if isinstance(place, str):
                aside.append(tlkit.SetAside(name, f"{place} ({file.name})"))
            else:
                shapes = [shape_of(each, boxes=options.boxes) for each in _by_height(element)]
                unusable.update(each for each in shapes if isinstance(each, str))
                images.append(_annotated(tlkit.files.key_of(place, root), place, file, element, shapes))
    once, repeats = without_repeats(images, options.twice)
    listed = {image.file for image in once}
    others = sum(1 for file in finder.images if file not in listed)
    return Found(
        title=f"CVAT annotations: {len(files)} file{'s' if len(files) > 1 else ''}",
        images=tuple(once),
        names=tuple(dict.fromkeys([*names, *chain.from_iterable(sorted(image.areas) for image in once)])),
        root=root,
        sources=tuple(files),
        set_aside=tuple(aside),
        notes=(
            *(f"{count} shapes are {what}; not used" for what, count in unusable.items()),
            *([f"{others} images below {root} are in no annotation file; not used"] if others else []),
            *repeats,
        ),
        colors=colors,
    )


def _by_height(image: Element) -> list[Element]:
    """Return the shapes and tags of an image, those of a higher z order later."""

    def height(element: Element) -> float:
        return number_of(element.get("z_order")) or 0.0

    return sorted((each for each in image if each.get("label") and each.get("outside") != "1"), key=height)


def _annotated(key: str, place: Path, file: Path, image: Element, found: list[Shape | str | None]) -> AnnotatedImage:
    shapes = tuple(each for each in found if isinstance(each, Shape))
    areas: dict[str, float] = {}
    for element in _by_height(image):
        name = name_of(element.get("label"))
        areas[name] = areas.get(name, 0.0) + area_of(element)
    height, width = side_of(image.get("height")), side_of(image.get("width"))
    return AnnotatedImage(
        key=key,
        file=place,
        source=file,
        size=None if height is None or width is None else (height, width),
        areas=areas,
        drawn=frozenset(shape.name for shape in shapes),
        load=partial(same, shapes),
        undrawn=sum(1 for each in found if isinstance(each, str)),
        annotated=bool(areas),
        split=tlkit.files.split_named(image.get("subset") or file.stem),
    )
