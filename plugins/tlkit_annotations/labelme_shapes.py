"""The shapes of a LabelMe file."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import chain, pairwise
from typing import Any

import numpy as np

import tlkit
from tlkit_annotations.bitmaps import png_pixels
from tlkit_annotations.reading import name_of
from tlkit_annotations.shapes import MAX_PIXELS, Kind, Shape, is_path, path_area

_KINDS: dict[str, tuple[Kind, int, int | None]] = {
    "polygon": ("outline", 3, None),
    "oriented_rectangle": ("outline", 4, 4),
    "rotation": ("outline", 3, None),
    "rectangle": ("rectangle", 2, 2),
    "circle": ("circle", 2, 2),
    "line": ("line", 2, 2),
    "linestrip": ("line", 2, None),
    "point": ("disc", 1, 1),
    "points": ("disc", 1, None),
}
"""Shape type → how it is drawn, and its least and greatest number of points. ``rotation`` is X-AnyLabeling's."""


def shape_of(fields: dict[str, Any]) -> Shape | str:
    """Return a shape of a LabelMe file; or what it is, in the plural, if it can't be used."""
    name = name_of(fields.get("label"))
    kind = str(fields.get("shape_type") or "polygon")
    points = fields.get("points")
    if not name:
        return "without a label"
    if not isinstance(points, list) or not all(isinstance(each, list) and len(each) == 2 for each in points):
        return "without points"
    value = list(chain.from_iterable(points))
    if not is_path(value):
        return "without points" if not value else "of coordinates that are no numbers"
    if kind == "mask":
        return _mask(name, value, fields.get("mask"))
    if kind not in _KINDS:
        return f"of the type {kind:.40}, which is unknown"
    if kind == "rectangle" and len(points) == 4:  # X-AnyLabeling writes all four corners
        value = [min(value[::2]), min(value[1::2]), max(value[::2]), max(value[1::2])]
    drawn, least, most = _KINDS[kind]
    if len(value) < 2 * least or (most is not None and len(value) > 2 * most):
        return f"of the type {kind} with {len(points)} points"
    return Shape(name, drawn, value)


def area_of(shape: Shape) -> float:
    """Return about how many pixels a shape has."""
    return float(_AREAS[shape.kind](shape.value))


def _mask(name: str, corners: list[float], text: Any) -> Shape | str:
    """Return a bitmap; its size is that of its PNG, from its first corner, rounded."""
    if not isinstance(text, str):
        return "masks without a bitmap"
    try:
        pixels = png_pixels(text, MAX_PIXELS)
    except tlkit.DataError as error:
        return f"masks with {error}"
    if not pixels.any():
        return "masks without a pixel"
    return Shape(name, "png", [round(corners[0]), round(corners[1]), text])


def _length(value: list[float]) -> float:
    points = list(zip(value[::2], value[1::2], strict=True))
    return sum(math.dist(one, other) for one, other in pairwise(points))


_AREAS: dict[str, Callable[[Any], float]] = {
    "outline": path_area,
    "rectangle": lambda value: abs(value[0] - value[2]) * abs(value[1] - value[3]),
    "circle": lambda value: math.pi * math.dist(value[:2], value[2:]) ** 2,
    "line": lambda value: 10 * _length(value),
    "disc": lambda value: 25 * math.pi * len(value) / 2,
    "png": lambda value: float(np.count_nonzero(png_pixels(value[2], MAX_PIXELS))),
}
