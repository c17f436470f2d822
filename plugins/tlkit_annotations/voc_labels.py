"""Labels of images from the XML files of Pascal VOC: which classes have a box in them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import tlkit
from tlkit_annotations.detection import detected
from tlkit_annotations.found import AnnotatedImage, Found, without_repeats
from tlkit_annotations.image_sets import ImageLists, read_image_lists
from tlkit_annotations.options import AnnotationOptions
from tlkit_annotations.places import ImageFinder
from tlkit_annotations.reading import MAX_IMAGE_FILE, files_with, mentions, name_of, number_of, read_text, read_xml
from tlkit_annotations.samples import sample_set
from tlkit_annotations.tool_options import VocOptions

_ANNOTATIONS = "Annotations"
_LISTS = Path("ImageSets", "Main")
_LOOKED_AT = 5


def has_labels(root: Path) -> bool:
    """Return whether a folder has VOC's XML files, or lists of the images of each class."""
    return _has_xml(root) or bool(_class_lists(root))


def _has_xml(root: Path) -> bool:
    folder = root / _ANNOTATIONS
    if not folder.is_dir():
        return False
    files = (file for file in tlkit.files.walk(folder) if file.suffix.lower() == ".xml")
    return any(mentions(file, "<annotation", "<object", limit=MAX_IMAGE_FILE) for file in islice(files, _LOOKED_AT))


def open_labels(root: Path, options: VocOptions) -> tlkit.SampleSet:
    """Return the images with the classes of their boxes as labels.

    Raises:
        DataError: there are no XML files, or no image can be used.
    """
    if not has_labels(root):
        raise tlkit.DataError(
            f"data.path: {root.absolute()}: no labels: neither XML files in {_ANNOTATIONS} nor lists "
            f"such as {_LISTS.as_posix()}/cat_train.txt; "
            'with masks only, set task = "segmentation"'
        )
    return sample_set(_found(root, options), "classification", _as_annotations(options))


def detect_labels(root: Path) -> tlkit.Detected:
    """Describe the labels for ``tlkit init``."""
    options = VocOptions(path=root)
    return detected(_found(root, options), "classification", _as_annotations(options), {"path": root})


def _as_annotations(options: VocOptions) -> AnnotationOptions:
    return AnnotationOptions(**{**options.model_dump(), "background": ""})


def _found(root: Path, options: VocOptions) -> Found:
    folder = root if options.images is None else tlkit.files.existing_folder(options.images, "data.images")
    finder = ImageFinder(folder)
    lists = read_image_lists(root / _LISTS, only_splits=True) if (root / _LISTS).is_dir() else ImageLists()
    images: list[AnnotatedImage] = []
    aside: list[tlkit.SetAside] = []
    found = tlkit.files.walk(root / _ANNOTATIONS) if _has_xml(root) else ()
    files = [file for file in found if file.suffix.lower() == ".xml"]
    for file in files:
        key = file.relative_to(root / _ANNOTATIONS).with_suffix("").as_posix()
        if lists.splits and key not in lists.splits:
            continue
        image = _from_xml(file, finder, lists.splits.get(key))
        if isinstance(image, str):
            aside.append(tlkit.SetAside(tlkit.files.key_of(file, root), image))
        else:
            images.append(image)
    sources = files
    if not files:
        sources = list(_class_lists(root))
        for (name, split), classes in _of_lists(root).items():
            place = finder.find_stem(name.rsplit("/", 1)[-1], folder / name.rpartition("/")[0])
            if isinstance(place, str):
                aside.append(tlkit.SetAside(name, place))
            else:
                images.append(_labelled(place, sources[0], finder, dict.fromkeys(classes, 1.0), split))
    once, repeats = without_repeats(images, "merge")
    notes = [*lists.notes, *repeats]
    if any(mentions(file, "<polygon>", limit=MAX_IMAGE_FILE) for file in files[:_LOOKED_AT]):
        notes.append("the polygons in the XML files (LabelMe's older format) are not read, only the classes")
    return Found(
        title=f"Pascal VOC labels: {len(sources)} files",
        images=tuple(once),
        names=tuple(sorted({name for image in once for name in image.areas})),
        root=folder,
        sources=(*sources, *lists.files),
        set_aside=tuple(aside),
        notes=tuple(notes),
    )


def _from_xml(file: Path, finder: ImageFinder, split: tlkit.Split | None) -> AnnotatedImage | str:
    """Return the image of an XML file, with the classes of its boxes; or why there is none."""
    element = read_xml(file, MAX_IMAGE_FILE)
    place = finder.find(element.findtext("filename") or "")
    if isinstance(place, str):
        place = finder.find_stem(file.stem, finder.root)
    if isinstance(place, str):
        return place
    areas: dict[str, float] = {}
    for each in element.iter("object"):
        name = name_of(each.findtext("name"))
        if name:
            corners = [number_of(each.findtext(f"bndbox/{side}")) for side in ("xmin", "xmax", "ymin", "ymax")]
            left, right, top, bottom = (0.0 if corner is None else corner for corner in corners)
            areas[name] = areas.get(name, 0.0) + abs(right - left) * abs(bottom - top)
    return _labelled(place, file, finder, areas, split)


def _labelled(
    place: Path, source: Path, finder: ImageFinder, areas: dict[str, float], split: tlkit.Split | None
) -> AnnotatedImage:
    key = tlkit.files.key_of(place, finder.root)
    return AnnotatedImage(key, place, source, None, areas, frozenset(), lambda: (), split=split)


def _class_lists(root: Path) -> dict[Path, tuple[str, tlkit.Split | None]]:
    """Return the lists of the images of each class, such as ``cat_train.txt``, with class and split."""
    found: dict[Path, tuple[str, tlkit.Split | None]] = {}
    for file in files_with(root / _LISTS, ".txt"):
        name, line, split = file.stem.rpartition("_")
        if line and tlkit.files.split_named(split) is not None and name_of(name):
            found[file] = (name_of(name), tlkit.files.split_named(split))
    return found


def _of_lists(root: Path) -> dict[tuple[str, tlkit.Split | None], list[str]]:
    """Return name of an image and split → classes; the lists mark an image of the class with 1, others with -1."""
    found: dict[tuple[str, tlkit.Split | None], list[str]] = {}
    for file, (name, split) in _class_lists(root).items():
        for line in read_text(file).splitlines():
            image, _, mark = line.strip().rpartition(" ")
            if image.strip() and mark in ("1", "-1", "0"):
                found.setdefault((image.strip(), split), []).extend([name] if mark == "1" else [])
    return found
