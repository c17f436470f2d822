"""The results of Label Studio: brushes as run lengths in bits, everything else in per cent of the image."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

import tlkit
from tlkit_annotations.outlines import ellipse, rectangle, turned
from tlkit_annotations.reading import fields_of, items_of, name_of, number_of
from tlkit_annotations.shapes import MAX_PIXELS, Shape, is_path, path_area

_SOFT = 128
"""The value from which a pixel of a soft brush is inside."""
_CHANNELS = 4


def choices_of(result: dict[str, Any]) -> Iterator[str]:
    """Yield the choices of a result; none if it is no choice."""
    if result.get("type") in ("choices", "taxonomy", "labels"):
        for each in items_of(fields_of(result.get("value")).get("choices")):
            if name := name_of(each):
                yield name


def shape_of(name: str, result: dict[str, Any], size: tuple[int, int] | None) -> Shape | str:
    """Return a shape; or what the result is, in the plural, if it can't be drawn.

    Args:
        name: its class.
        result: the result.
        size: (height, width) of the image in pixels.
    """
    kind, value = str(result.get("type")), fields_of(result.get("value"))
    if size is None:
        return "without the size of their image"
    if value.get("rle") is not None:
        try:
            return Shape(name, "rows", _brush(value["rle"], size))
        except tlkit.DataError as error:
            return f"brushes with {error}"
    outline = _outline(kind, value, size)
    if outline is None:
        return f"of the type {kind:.40}, which has no area"
    return Shape(name, "polygons", [outline]) if is_path(outline, 3) else f"of the type {kind:.40} without points"


def area_of(shape: Shape) -> float:
    """Return about how many pixels a shape has."""
    return float(sum(shape.value[4][1::2])) if shape.kind == "rows" else path_area(shape.value[0])


def _outline(kind: str, value: dict[str, Any], size: tuple[int, int]) -> list[float] | None:
    height, width = size
    if kind == "polygonlabels":
        points = [each for each in items_of(value.get("points")) if isinstance(each, list) and len(each) == 2]
        flat = _numbers(*chain.from_iterable(points))
        return [each * (width, height)[place % 2] / 100 for place, each in enumerate(flat)]
    degrees = number_of(value.get("rotation")) or 0.0
    place = _numbers(value.get("x"), value.get("y"))
    if kind == "rectanglelabels":
        sides = _numbers(value.get("width"), value.get("height"))
        if not place or not sides:
            return []
        left, top = place[0] * width / 100, place[1] * height / 100
        corners = rectangle(left, top, sides[0] * width / 100, sides[1] * height / 100)
        return turned(corners, (left, top), degrees)  # Label Studio turns rectangles about their upper left corner
    if kind == "ellipselabels":
        radii = _numbers(value.get("radiusX"), value.get("radiusY"))
        if not place or not radii:
            return []
        scaled = (place[0] * width, place[1] * height, radii[0] * width, radii[1] * height)
        return ellipse([each / 100 for each in scaled], degrees)
    return None


def _numbers(*values: Any) -> list[float]:
    """Return numbers; none of them if one is missing."""
    found = [number for each in values if (number := number_of(each)) is not None]
    return found if len(found) == len(values) else []


def _brush(rle: Any, size: tuple[int, int]) -> tuple[int, int, int, int, list[int]]:
    """Return the value of a shape of the kind ``rows`` from the bits of a brush: RGBA pixels, whose alpha counts.

    Raises:
        DataError: the bits are not those of an image of this height and width.
    """
    height, width = size
    pixels = height * width
    codes = items_of(rle)
    if not codes or not all(type(each) is int and 0 <= each < 256 for each in codes):
        raise tlkit.DataError("run lengths that are no bytes")
    if pixels > MAX_PIXELS:
        raise tlkit.DataError("too many pixels")
    alpha = _unpacked(np.unpackbits(np.array(codes, np.uint8)), _CHANNELS * pixels)[_CHANNELS - 1 :: _CHANNELS]
    inside = alpha > 0 if alpha.max(initial=0) == 1 else alpha >= _SOFT
    edges = np.flatnonzero(np.diff(inside)) + 1
    starts = np.concatenate([[0], edges, [pixels]])
    runs = np.diff(starts).tolist()
    return 0, 0, width, height, runs if not inside[0] else [0, *runs]


def _unpacked(bits: np.ndarray, expected: int) -> np.ndarray:
    """Return the values of a bit stream, uint8 (expected,).

    It begins with the number of values in 32 bits, the bits of a value less 1 in 5, and the bits of four sizes of runs
    less 1 in 4 each. Each run is a bit, 1 if all its values are the same; two bits for the size of its length; its
    length less 1; and its values, or the one value.
    """
    position = 0

    def read(count: int) -> int:
        nonlocal position
        part = bits[position : position + count]
        if len(part) < count:
            raise tlkit.DataError("run lengths that end too early")
        position += count
        return int.from_bytes(np.packbits(part).tobytes()) >> (-count % 8)

    total, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    if total != expected:
        raise tlkit.DataError(f"{total} values; expected {expected} for the size of the image")
    if word > 8:
        raise tlkit.DataError(f"values of {word} bits; expected at most 8")
    values = np.zeros(total, np.uint8)
    done = 0
    while done < total:
        same = read(1)
        length = read(sizes[read(2)]) + 1
        end = min(done + length, total)
        if same:
            values[done:end] = read(word)
        else:
            count = (end - done) * word
            part = bits[position : position + count]
            if len(part) < count:
                raise tlkit.DataError("run lengths that end too early")
            position += count
            padded = np.zeros((end - done, 8), np.uint8)
            padded[:, 8 - word :] = part.reshape(-1, word)
            values[done:end] = np.packbits(padded)
        done = end
    return values
