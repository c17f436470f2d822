"""Annotations of a COCO file, packed while the file is read, so that large files need little memory."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from typing import Any

import tlkit
from tlkit_annotations.reading import number_of
from tlkit_annotations.run_lengths import is_whole, run_lengths
from tlkit_annotations.shapes import Shape, is_path, path_area

_BOX = "boxes without a shape"
_BROKEN = "shapes that can't be read"
_OTHER_SIZE = "run lengths for another size than their image"


@dataclass(frozen=True, slots=True)
class Segment:
    """An annotation.

    Args:
        image: id of its image.
        category: id of its category.
        area: its area in pixels.
        crowd: whether it is a region of many objects.
        content: polygons as float64 arrays; run lengths as text or as an int64 array; None: no shape.
        size: (height, width) that run lengths are for; None: they are polygons.
        undrawn: why it has no shape; empty if it has one.
        dropped: number of parts that are no polygons.
    """

    image: int | str
    category: int | str
    area: float
    crowd: bool
    content: tuple[bytes, ...] | str | bytes | None
    size: tuple[int, int] | None = None
    undrawn: str = ""
    dropped: int = 0

    @property
    def drawable(self) -> bool:
        """Whether it has a shape."""
        return self.content is not None

    def checked(self, size: tuple[int, int] | None) -> Segment:
        """Return the annotation, without its run lengths if they are not those of an image of this height and width."""
        if self.size is None or self.content is None:
            return self
        if self.size != (size or self.size):
            return replace(self, content=None, undrawn=_OTHER_SIZE)
        if isinstance(self.content, str):
            try:
                whole = is_whole(run_lengths(self.content), self.size)
            except tlkit.DataError:
                whole = False
            if not whole:
                return replace(self, content=None, undrawn=_BROKEN)
        return self

    def shape(self, name: str) -> Shape | None:
        """Return its shape, of a class; None if it has none."""
        if self.content is None:
            return None
        if isinstance(self.content, tuple):
            return Shape(name, "polygons", [array("d", each).tolist() for each in self.content], crowd=self.crowd)
        value = self.content if isinstance(self.content, str) else array("q", self.content).tolist()
        return Shape(name, "rle", value, crowd=self.crowd)


@dataclass(frozen=True, slots=True)
class Skipped:
    """An annotation that can't be used.

    Args:
        reason: what it is, in the plural.
    """

    reason: str


def id_of(value: Any) -> int | str | None:
    """Return an id, where ``7``, ``7.0`` and ``"7"`` are the same; None for what is no id."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int | str) else None


def packed(fields: dict[str, Any]) -> Any:
    """Return a ``Segment`` for an annotation, ``Skipped`` for one that can't be used, and other objects unchanged."""
    if "image_id" not in fields or not fields.keys() & {"segmentation", "bbox", "category_id"}:
        return fields
    image, category = id_of(fields["image_id"]), id_of(fields.get("category_id"))
    if image is None or category is None:
        return Skipped("annotations without an image id or a category id")
    area = number_of(fields.get("area")) or 0.0
    if area <= 0:
        box: list[float] = fields["bbox"] if is_path(fields.get("bbox"), 2) else [0, 0, 0, 0]
        area = max(float(box[2] * box[3]), 0.0)
    crowd = fields.get("iscrowd") in (1, True, "1")
    return _with_shape(fields.get("segmentation"), image, category, area, crowd)


def _with_shape(segmentation: Any, image: int | str, category: int | str, area: float, crowd: bool) -> Segment:
    if isinstance(segmentation, dict):
        return _with_runs(segmentation, image, category, area, crowd)
    if isinstance(segmentation, list):
        flat = [segmentation] if segmentation and not isinstance(segmentation[0], list) else segmentation
        polygons = [each for each in flat if is_path(each, 3)]
        if polygons:
            content = tuple(array("d", each).tobytes() for each in polygons)
            area = area or sum(map(path_area, polygons))
            return Segment(image, category, area, crowd, content, dropped=len(flat) - len(polygons))
        if any(isinstance(each, list) and len(each) >= 6 for each in flat):
            return Segment(image, category, area, crowd, None, undrawn=_BROKEN)
    elif segmentation not in (None, ""):
        return Segment(image, category, area, crowd, None, undrawn=_BROKEN)
    return Segment(image, category, area, crowd, None, undrawn=_BOX)


def _with_runs(fields: dict[str, Any], image: int | str, category: int | str, area: float, crowd: bool) -> Segment:
    counts, size = fields.get("counts"), fields.get("size")
    if not isinstance(size, list) or len(size) != 2 or not all(type(each) is int and each > 0 for each in size):
        return Segment(image, category, area, crowd, None, undrawn=_BROKEN)
    sides = (size[0], size[1])
    if isinstance(counts, str) and counts:
        return Segment(image, category, area, crowd, counts, sides)
    lengths: list[int] = counts if isinstance(counts, list) else []
    whole = all(type(each) is int and 0 <= each < 1 << 40 for each in lengths)
    if whole and sum(lengths) == size[0] * size[1]:
        return Segment(image, category, area or float(sum(lengths[1::2])), crowd, array("q", lengths).tobytes(), sides)
    return Segment(image, category, area, crowd, None, undrawn=_BROKEN)
