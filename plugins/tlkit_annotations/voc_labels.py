"""Labels of images from the XML files of Pascal VOC: which classes have a box in them."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path

import tlkit
from tlkit_annotations.detection import detected
from tlkit_annotations.found import AnnotatedImage, Found, without_repeats
from tlkit_annotations.image_sets import ImageLists, read_image_lists
from tlkit_annotations.options import AnnotationOptions
from tlkit_annotations.places import ImageFinder
from tlkit_annotations.reading import MAX_IMAGE_FILE, mentions, name_of, number_of, read_xml, side_of
from tlkit_annotations.samples import sample_set
from tlkit_annotations.tool_options import VocOptions

_ANNOTATIONS = "Annotations"
_LISTS = Path("ImageSets", "Main")
_LOOKED_AT = 5


def has_labels(root: Path) -> bool:
    """Return whether a folder has VOC's XML files."""
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
            f"data.path: {root.absolute()}: no XML files in {_ANNOTATIONS}, for the labels of classification; "
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
    files = [file for file in tlkit.files.walk(root / _ANNOTATIONS) if file.suffix.lower() == ".xml"]
    for file in files:
        key = file.relative_to(root / _ANNOTATIONS).with_suffix("").as_posix()
        if lists.splits and key not in lists.splits:
            continue
        element = read_xml(file, MAX_IMAGE_FILE)
        place = finder.find(element.findtext("filename") or "")
        if isinstance(place, str):
            place = finder.find_stem(file.stem, folder)
        if isinstance(place, str):
            aside.append(tlkit.SetAside(tlkit.files.key_of(file, root), place))
            continue
        areas: dict[str, float] = {}
        for each in element.iter("object"):
            name = name_of(each.findtext("name"))
            if name:
                corners = [number_of(each.findtext(f"bndbox/{side}")) for side in ("xmin", "xmax", "ymin", "ymax")]
                left, right, top, bottom = (0.0 if corner is None else corner for corner in corners)
                areas[name] = areas.get(name, 0.0) + abs(right - left) * abs(bottom - top)
        height, width = side_of(element.findtext("size/height")), side_of(element.findtext("size/width"))
        images.append(
            AnnotatedImage(
                key=tlkit.files.key_of(place, folder),
                file=place,
                source=file,
                size=None if height is None or width is None else (height, width),
                areas=areas,
                drawn=frozenset(),
                load=partial(tuple, ()),
                split=lists.splits.get(key),
            )
        )
    once, repeats = without_repeats(images, "merge")
    return Found(
        title=f"Pascal VOC labels: {len(files)} files",
        images=tuple(once),
        names=tuple(sorted({name for image in once for name in image.areas})),
        root=folder,
        sources=(*files, *lists.files),
        set_aside=tuple(aside),
        notes=(*lists.notes, *repeats),
    )
