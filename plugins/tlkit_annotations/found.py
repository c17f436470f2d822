"""What an annotation format found: images, each with its classes and a function that loads its shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tlkit
from tlkit_annotations.shapes import Shape


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedImage:
    """An image and what its annotations say.

    Args:
        key: as in ``tlkit.Sample``.
        file: the image.
        source: the file with its annotations.
        size: (height, width) in pixels that the annotations are for; None: they don't say, so the image's own counts.
        areas: class name → area of its annotations in pixels; those that can't be drawn, such as boxes, count.
        drawn: class names with a shape that can be drawn.
        load: returns the shapes, in the order of the file; called in threads, each time the mask is read. Raises
            ``DataError``.
        undrawn: number of annotations that can't be drawn.
        annotated: whether anybody annotated it; an image with an empty list of shapes counts as annotated only where
            the format knows that somebody looked at it.
        split: the prescribed split.
        group: as in ``tlkit.Sample``.
    """

    key: str
    file: Path
    source: Path
    size: tuple[int, int] | None
    areas: Mapping[str, float]
    drawn: frozenset[str]
    load: Callable[[], Sequence[Shape]]
    undrawn: int = 0
    annotated: bool = True
    split: tlkit.Split | None = None
    group: str | None = None


def unannotated(key: str, file: Path, source: Path) -> AnnotatedImage:
    """Return an image that nobody annotated; the arguments are those of ``AnnotatedImage``."""
    return AnnotatedImage(key, file, source, None, {}, frozenset(), tuple, annotated=False)


def same(shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """Return shapes that are in memory already, for ``AnnotatedImage.load``."""
    return shapes


SPLITS = ("", "train", "validation", "test")


def in_split_order(splits: Iterable[str]) -> list[str]:
    """Return the splits that there are, each once, in their order; ``""`` is none."""
    found = set(splits)
    return [split for split in SPLITS if split in found]


@dataclass(frozen=True, kw_only=True)
class Found:
    """The annotations of a data set.

    Args:
        title: one line, such as ``COCO annotations: 2 files``; the number of images is added.
        images: the images with annotations, each image once (see ``without_repeats``).
        names: all class names that the files define, in their order, whether they occur or not.
        root: the folder that the keys are relative to.
        sources: the annotation files, and other files that were read.
        set_aside: images and files that can't be used.
        notes: what the user should know, such as how many annotations can't be drawn, and why.
        background_names: class names that mean background.
        ignored_names: class names that mean ignored pixels.
        crowd_names: class names of which there are only regions of many objects, so no class in segmentation.
        colors: class name → (red, green, blue).
    """

    title: str
    images: tuple[AnnotatedImage, ...]
    names: tuple[str, ...]
    root: Path
    sources: tuple[Path, ...] = ()
    set_aside: tuple[tlkit.SetAside, ...] = ()
    notes: tuple[str, ...] = ()
    background_names: frozenset[str] = frozenset()
    ignored_names: frozenset[str] = frozenset()
    crowd_names: frozenset[str] = frozenset()
    colors: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)


def without_repeats(images: Sequence[AnnotatedImage], twice: str) -> tuple[list[AnnotatedImage], list[str]]:
    """Return each image once, as ``twice`` says, and a note if some were annotated twice.

    Raises:
        DataError: an image is in two splits.
    """
    by_file: dict[Path, AnnotatedImage] = {}
    repeated = 0
    for image in images:
        known = by_file.get(image.file)
        if known is None:
            by_file[image.file] = image
            continue
        repeated += 1
        if known.split != image.split:
            raise tlkit.DataError(
                f"{image.file}: in {known.source.name} for {known.split or 'any split'} and in {image.source.name} for "
                f"{image.split or 'any split'}; expected each image in one split"
            )
        if twice == "merge":
            by_file[image.file] = _merged(known, image)
        elif twice == "last":
            by_file[image.file] = image
    what = {"merge": "all their annotations are used", "first": "the first counts", "last": "the last counts"}[twice]
    notes = [f"images annotated again, {what} (data.twice): {repeated}"] if repeated else []
    return list(by_file.values()), notes


def _merged(one: AnnotatedImage, other: AnnotatedImage) -> AnnotatedImage:
    if None not in (one.size, other.size) and one.size != other.size:
        raise tlkit.DataError(
            f"{one.file}: annotated twice, for images of (height, width) {one.size} and {other.size}; expected one "
            'size, or data.twice = "first" or "last"'
        )
    areas = dict(one.areas)
    for name, area in other.areas.items():
        areas[name] = areas.get(name, 0.0) + area
    return AnnotatedImage(
        one.key,
        one.file,
        one.source,
        one.size or other.size,
        areas,
        one.drawn | other.drawn,
        lambda: [*one.load(), *other.load()],
        one.undrawn + other.undrawn,
        one.annotated or other.annotated,
        one.split,
        one.group,
    )
