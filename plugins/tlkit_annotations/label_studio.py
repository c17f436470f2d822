"""JSON of Label Studio (labelstud.io/guide/export): brushes, polygons, rectangles, ellipses and choices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import tlkit
from tlkit_annotations.detection import detected, root_of
from tlkit_annotations.found import AnnotatedImage, Found, same, unannotated, without_repeats
from tlkit_annotations.label_studio_shapes import area_of, choices_of, shape_of
from tlkit_annotations.places import ImageFinder, existing
from tlkit_annotations.reading import fields_of, files_with, items_of, mentions, name_of, read_json, side_of
from tlkit_annotations.samples import sample_set
from tlkit_annotations.shapes import Shape
from tlkit_annotations.tool_options import LabelStudioOptions

_LOOKED_AT = 60
_UPLOAD = re.compile(r"[0-9a-f]{8}-")
"""What Label Studio puts before the name of a file that is uploaded."""


def open_label_studio(ctx: tlkit.DatasetContext, options: LabelStudioOptions) -> tlkit.SampleSet:
    """Read an export in the format JSON.

    Raises:
        DataError: a file can't be read, is another export, or no image can be used.
    """
    path = existing(options.path)
    files = label_studio_files(path)
    if not files:
        raise tlkit.DataError(
            f'data.path: {path.absolute()}: no annotations of Label Studio; expected an export of the format "JSON"'
        )
    return sample_set(_found(path, files, options, choices=_by_choices(ctx.task, options)), ctx.task, options)


def detect_label_studio(path: Path, task: tlkit.Task | None) -> tlkit.Detected | None:
    """Recognise a folder with an export of Label Studio, or such a file.

    Raises:
        DataError: it can't be read.
    """
    files = label_studio_files(path)
    if not files:
        return None
    options = LabelStudioOptions(path=path)
    found = _found(path, files, options, choices=False)
    chosen = options.model_copy(update={"source": "choices"})
    if task != "segmentation":
        labelled = _found(path, files, chosen, choices=True)
        if any(image.areas for image in labelled.images) and (
            task == "classification" or not any(image.areas for image in found.images)
        ):
            return detected(labelled, "classification", chosen, {"path": path, "source": "choices"})
    return detected(found, task, options, {"path": path})


def label_studio_files(path: Path) -> list[Path]:
    """Return the exports directly in a folder, or the file itself."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" and _is_export(path) else []
    if not path.is_dir():
        return []
    return [file for file in list(files_with(path, ".json"))[:_LOOKED_AT] if _is_export(file)]


def _is_export(file: Path) -> bool:
    return mentions(file, '"annotations"', '"result"', '"data"') or mentions(
        file, '"completions"', '"result"', '"data"'
    )


def _by_choices(task: tlkit.Task, options: LabelStudioOptions) -> bool:
    return task == "classification" and options.source == "choices"


class _Annotation(NamedTuple):
    """What one person drew on one image.

    Args:
        shapes: what can be drawn.
        areas: class name → area in pixels.
        size: (height, width) in pixels; None: it does not say.
        unusable: what can't be drawn.
    """

    shapes: tuple[Shape, ...]
    areas: dict[str, float]
    size: tuple[int, int] | None
    unusable: Counter[str]


def _found(path: Path, files: list[Path], options: LabelStudioOptions, *, choices: bool) -> Found:
    root = root_of(path) if options.images is None else tlkit.files.existing_folder(options.images, "data.images")
    finder = ImageFinder(root)
    images: list[AnnotatedImage] = []
    aside: list[tlkit.SetAside] = []
    unusable: Counter[str] = Counter()
    for file in files:
        tasks = read_json(file)
        if not isinstance(tasks, list):
            raise tlkit.DataError(f'{file}: expected a list of tasks, as the export "JSON" has it')
        for task in map(fields_of, tasks):
            name = _image_name(fields_of(task.get("data")), task)
            place: Path | str = "no image in its data" if name is None else _find(name, finder)
            if isinstance(place, str):
                aside.append(tlkit.SetAside(name or f"task {task.get('id')}", f"{place} ({file.name})"))
                continue
            annotations = list(_annotations(task, choices=choices))
            for each in annotations:
                unusable += each.unusable
            key = tlkit.files.key_of(place, root)
            images += [_annotated(key, place, file, each) for each in annotations] or [unannotated(key, place, file)]
    once, repeats = without_repeats(images, options.twice)
    return Found(
        title=f"Label Studio: {len(files)} file{'s' if len(files) > 1 else ''}",
        images=tuple(once),
        names=tuple(sorted({name for image in once for name in image.areas})),
        root=root,
        sources=tuple(files),
        set_aside=tuple(aside),
        notes=(*(f"{count} results are {what}; not used" for what, count in unusable.items()), *repeats),
    )


def _image_name(data: dict[str, Any], task: dict[str, Any]) -> str | None:
    """Return the image of a task: of its data, the value that looks like the path of an image."""
    values = [value for value in (data.get("image"), *data.values()) if isinstance(value, str)]
    named = [value for value in values if tlkit.files.is_image(Path(_path_of(value)))]
    upload = task.get("file_upload")
    return next(iter([*named, *values[:1], *([upload] if isinstance(upload, str) else [])]), None)


def _path_of(name: str) -> str:
    """Return the path in a URL of Label Studio, such as ``/data/local-files/?d=folder/a.jpg`` or ``s3://bucket/a.jpg``."""
    parts = urlsplit(name.replace("\\", "/"))
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path if parts.scheme else name.replace("\\", "/"))


def _find(name: str, finder: ImageFinder) -> Path | str:
    path = _path_of(name)
    place = finder.find(path)
    last = path.rsplit("/", 1)[-1]
    if isinstance(place, str) and _UPLOAD.match(last):
        without = finder.find(_UPLOAD.sub("", last, count=1))
        place = without if isinstance(without, Path) else place
    return place


def _annotations(task: dict[str, Any], *, choices: bool) -> Iterator[_Annotation]:
    """Yield what each person drew, in their order; what was skipped is left out."""
    for annotation in map(fields_of, items_of(task.get("annotations") or task.get("completions"))):
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            continue
        shapes: list[Shape] = []
        areas: dict[str, float] = {}
        size: tuple[int, int] | None = None
        unusable: Counter[str] = Counter()
        for result in map(fields_of, items_of(annotation.get("result"))):
            if choices:
                areas |= dict.fromkeys(choices_of(result), 1.0)
                continue
            height, width = side_of(result.get("original_height")), side_of(result.get("original_width"))
            if height is not None and width is not None:
                size = (height, width)
            for name in map(name_of, _labels_of(result)):
                shape = shape_of(name, result, size)
                if isinstance(shape, str):
                    unusable[shape] += 1
                else:
                    shapes.append(shape)
                areas[name] = areas.get(name, 0.0) + (1.0 if isinstance(shape, str) else area_of(shape))
        yield _Annotation(tuple(shapes), areas, size, unusable)


def _labels_of(result: dict[str, Any]) -> list[Any]:
    """Return the labels of a result of the types that have any, such as ``brushlabels``."""
    kind = result.get("type")
    value = fields_of(result.get("value"))
    return items_of(value.get(kind)) if isinstance(kind, str) and kind.endswith("labels") else []


def _annotated(key: str, place: Path, file: Path, annotation: _Annotation) -> AnnotatedImage:
    return AnnotatedImage(
        key=key,
        file=place,
        source=file,
        size=annotation.size,
        areas=annotation.areas,
        drawn=frozenset(shape.name for shape in annotation.shapes),
        load=partial(same, annotation.shapes),
        undrawn=annotation.unusable.total(),
    )
