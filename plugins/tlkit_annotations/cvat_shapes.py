"""The shapes of an image in CVAT's XML."""

from __future__ import annotations

import math
from itertools import chain
from xml.etree.ElementTree import Element

from tlkit_annotations.outlines import ellipse, rectangle, turned
from tlkit_annotations.reading import name_of, number_of
from tlkit_annotations.shapes import Shape, is_path, path_area

_TAG = "tag"


def shape_of(element: Element, *, boxes: bool) -> Shape | str | None:
    """Return a shape of CVAT; or what it is, in the plural, if it can't be drawn; None for a tag.

    Args:
        element: the element of the shape.
        boxes: whether rectangles are drawn.
    """
    name, kind = name_of(element.get("label")), element.tag
    if kind == _TAG:
        return None
    if kind == "mask":
        value = _mask(element)
        return "masks whose run lengths don't fit" if value is None else Shape(name, "rows", value)
    if kind == "box" and not boxes:
        return "boxes (boxes = true draws them)"
    outline = _outline(element)
    if outline is None:
        return f"of the type {kind:.40}, which has no area"
    if not is_path(outline, 3):
        return f"of the type {kind:.40} with coordinates that can't be read"
    return Shape(name, "polygons", [outline])


def area_of(element: Element) -> float:
    """Return about how many pixels a shape has; 1 for a tag or a line."""
    if element.tag == "mask":
        value = _mask(element)
        return 1.0 if value is None else float(sum(value[4][1::2]))
    outline = _outline(element)
    return path_area(outline) if outline is not None and is_path(outline, 3) else 1.0


def _outline(element: Element) -> list[float] | None:
    """Return the polygon of a shape with an area, empty if it can't be read; None for other shapes."""
    if element.tag == "polygon":
        text = element.get("points") or ""
        points = [[number_of(value) for value in point.split(",")] for point in text.split(";")]
        if not all(len(point) == 2 for point in points):
            return []
        return _complete(list(chain.from_iterable(points)))
    degrees = number_of(element.get("rotation")) or 0.0
    if element.tag == "ellipse":
        values = _complete([number_of(element.get(key)) for key in ("cx", "cy", "rx", "ry")])
        return ellipse(values, degrees) if values else []
    if element.tag == "box":
        corners = _complete([number_of(element.get(key)) for key in ("xtl", "ytl", "xbr", "ybr")])
        if not corners:
            return []
        left, top, right, bottom = corners
        center = ((left + right) / 2, (top + bottom) / 2)
        return turned(rectangle(left, top, right - left, bottom - top), center, degrees)
    return None


def _complete(values: list[float | None]) -> list[float]:
    """Return the values; none of them if one is missing."""
    found = [each for each in values if each is not None and math.isfinite(each)]
    return found if len(found) == len(values) else []


def _mask(element: Element) -> tuple[int, int, int, int, list[int]] | None:
    """Return the value of a shape of the kind ``rows``; None if its run lengths are not those of its box."""
    box = [number_of(element.get(key)) for key in ("left", "top", "width", "height")]
    counts = [number_of(each) for each in (element.get("rle") or "").split(",")]
    if None in box or None in counts:
        return None
    x, y, width, height = (int(each or 0) for each in box)
    runs = [int(each or 0) for each in counts]
    if min(runs) < 0 or sum(runs) != width * height or min(width, height) < 1:
        return None
    return x, y, width, height, runs
