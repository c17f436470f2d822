"""Draw a mask of what ``drawing_text`` wrote. What the bytes say is all that decides a pixel."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

import tlkit
from tlkit_annotations.bitmaps import png_pixels
from tlkit_annotations.run_lengths import is_whole, run_lengths
from tlkit_annotations.shapes import MAX_PIXELS, VERSION

_LINE_WIDTH = 10
_DISC_RADIUS = 5
_MARGIN = _LINE_WIDTH + 2
"""By how many pixels what Pillow draws can exceed its points."""


class Region(NamedTuple):
    """The pixels of a shape.

    Args:
        top: first row.
        left: first column.
        inside: bool (h, w), the pixels from there.
    """

    top: int
    left: int
    inside: np.ndarray

    @property
    def place(self) -> tuple[slice, slice]:
        """The rows and columns."""
        height, width = self.inside.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def draw(content: bytes) -> np.ndarray:
    """Draw the mask that ``drawing_text`` described.

    Returns:
        uint8 (H, W): class numbers and ``IGNORE``.

    Raises:
        DataError: a shape can't be drawn.
    """
    drawing = json.loads(content)
    if drawing["drawing"] != VERSION:
        raise tlkit.DataError(f"a drawing of version {drawing['drawing']}; expected {VERSION}")
    size = (drawing["size"][0], drawing["size"][1])
    canvas = Canvas(size)
    mask = np.full(size, drawing["background"], np.uint8)
    for number, *shape in drawing["under"]:
        region = canvas.region(*shape)
        mask[region.place][region.inside] = number
    shapes = drawing["shapes"]
    if drawing["overlap"] == "ignore":
        _paint_apart(mask, ((number, canvas.region(*shape)) for number, *shape in shapes))
        return mask
    for row in _order(drawing["overlap"], canvas, shapes):
        number, *shape = shapes[row]
        region = canvas.region(*shape)
        mask[region.place][region.inside] = number
    return mask


def _order(overlap: str, canvas: Canvas, shapes: Sequence[Any]) -> list[int]:
    """Return the rows of ``shapes`` in the order in which they are painted, each above those before it."""
    rows = list(range(len(shapes)))
    if overlap == "earlier":
        return rows[::-1]
    if overlap == "later" or len(rows) < 2:
        return rows
    areas = [int(np.count_nonzero(canvas.region(*shape).inside)) for _, *shape in shapes]
    return sorted(rows, key=lambda row: -areas[row])


def _paint_apart(mask: np.ndarray, regions: Iterator[tuple[int, Region]]) -> None:
    """Paint shapes so that pixels in shapes of several classes become ``IGNORE``."""
    owned = np.zeros(mask.shape, bool)
    for number, region in regions:
        part, taken = mask[region.place], owned[region.place]
        apart = region.inside & taken & (part != number)
        part[region.inside & ~taken] = number
        part[apart] = tlkit.IGNORE
        taken |= region.inside


class Canvas:
    """Draws the shapes of one image.

    Args:
        size: (height, width) of the image in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._image: Image.Image | None = None

    def region(self, kind: str, value: Any, holes: Sequence[Any] = ()) -> Region:
        """Return the pixels of a shape, without those of its holes.

        Raises:
            DataError: it can't be drawn.
        """
        region = _KINDS[kind](self, value)
        for hole in holes:
            cut = _KINDS[kind](self, hole)
            whole = np.zeros(self.size, bool)
            whole[cut.place] = cut.inside
            region.inside[whole[region.place]] = False
        return region

    def pillow(self, points: Sequence[float], paint: Callable[[ImageDraw.ImageDraw], None]) -> Region:
        """Return the pixels that ``paint`` sets to 1, all of them near or between ``points``."""
        height, width = self.size
        if self._image is None:
            self._image = Image.new("L", (width, height))
        pen = ImageDraw.Draw(self._image)
        paint(pen)
        left, right = _range(points[::2], width)
        top, bottom = _range(points[1::2], height)
        if left >= right or top >= bottom:
            return _nothing()
        inside = np.array(self._image.crop((left, top, right, bottom)), bool)
        pen.rectangle((left, top, right - 1, bottom - 1), fill=0)
        return Region(top, left, inside)


def _range(values: Sequence[float], side: int) -> tuple[int, int]:
    return max(0, math.floor(min(values)) - _MARGIN), min(side, math.ceil(max(values)) + _MARGIN + 1)


def _nothing() -> Region:
    return Region(0, 0, np.zeros((0, 0), bool))


# As pycocotools draws -------------------------------------------------------------------------------------------------


def _polygons(canvas: Canvas, value: list[list[float]]) -> Region:
    from pycocotools import mask as coco

    # One at a time: frPyObjects takes polygons of two points for boxes if they come first.
    return _runs(canvas, coco.merge([coco.frPyObjects([polygon], *canvas.size)[0] for polygon in value])["counts"])


def _box(canvas: Canvas, value: list[float]) -> Region:
    from pycocotools import mask as coco

    return _runs(canvas, coco.frPyObjects([value], *canvas.size)[0]["counts"])


def _runs(canvas: Canvas, value: list[int] | str | bytes) -> Region:
    """Return the pixels of run lengths, as ``pycocotools.mask.decode``, which does not see that they are too short."""
    height, width = canvas.size
    counts = np.array(value, np.int64) if isinstance(value, list) else run_lengths(value)
    if not is_whole(counts, canvas.size):
        raise tlkit.DataError(
            f"run lengths of {counts.sum()} pixels in all; expected {height * width} for {width} x {height}"
        )
    ends = np.cumsum(counts)
    starts = ends - counts
    inside = np.flatnonzero(counts[1::2]) * 2 + 1
    if not inside.size:
        return _nothing()
    left, right = int(starts[inside[0]]) // height, -(-int(ends[inside[-1]]) // height)
    lengths = np.clip(ends, left * height, right * height) - np.clip(starts, left * height, right * height)
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, lengths)
    return Region(0, left, pixels.reshape(right - left, height).T)


# As Pillow draws ------------------------------------------------------------------------------------------------------


def _outline(canvas: Canvas, value: list[float]) -> Region:
    return canvas.pillow(value, lambda pen: pen.polygon(value, outline=1, fill=1))


def _rectangle(canvas: Canvas, value: list[float]) -> Region:
    x, y, other_x, other_y = value
    corners = (min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y))
    return canvas.pillow(corners, lambda pen: pen.rectangle(corners, outline=1, fill=1))


def _circle(canvas: Canvas, value: list[float]) -> Region:
    x, y, edge_x, edge_y = value
    return _disc_of(canvas, x, y, math.sqrt((x - edge_x) ** 2 + (y - edge_y) ** 2))


def _disc_of(canvas: Canvas, x: float, y: float, radius: float) -> Region:
    corners = (x - radius, y - radius, x + radius, y + radius)
    return canvas.pillow(corners, lambda pen: pen.ellipse(corners, outline=1, fill=1))


def _line(canvas: Canvas, value: list[float]) -> Region:
    return canvas.pillow(value, lambda pen: pen.line(value, fill=1, width=_LINE_WIDTH))


def _disc(canvas: Canvas, value: list[float]) -> Region:
    def paint(pen: ImageDraw.ImageDraw) -> None:
        for x, y in zip(value[::2], value[1::2], strict=True):
            pen.ellipse((x - _DISC_RADIUS, y - _DISC_RADIUS, x + _DISC_RADIUS, y + _DISC_RADIUS), outline=1, fill=1)

    return canvas.pillow(value, paint)


# Bitmaps --------------------------------------------------------------------------------------------------------------


def _png(canvas: Canvas, value: tuple[int, int, str]) -> Region:
    """Return the pixels above 0 of a PNG, or those that are not transparent, cut to the image."""
    x, y, text = value
    height, width = canvas.size
    pixels = png_pixels(text, 4 * height * width)
    top, left = max(0, -y), max(0, -x)
    inside = pixels[top : max(0, height - y), left : max(0, width - x)]
    return Region(max(0, y), max(0, x), inside) if inside.size else _nothing()


def _rows(canvas: Canvas, value: tuple[int, int, int, int, list[int]]) -> Region:
    """Return the pixels of row-major run lengths in a box, cut to the image."""
    x, y, box_width, box_height, runs = value
    height, width = canvas.size
    counts = np.array(runs, np.int64)
    if not is_whole(counts, (box_height, box_width)) or box_width * box_height > MAX_PIXELS:
        expected = f"{box_width * box_height} for {box_width} x {box_height}"
        raise tlkit.DataError(f"run lengths of {counts.sum()} pixels in all; expected {expected}")
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(box_height, box_width)
    top, left = max(0, -y), max(0, -x)
    inside = pixels[top : max(0, height - y), left : max(0, width - x)]
    return Region(max(0, y), max(0, x), inside.copy()) if inside.size else _nothing()


_KINDS: dict[str, Callable[[Canvas, Any], Region]] = {
    "polygons": _polygons,
    "rle": _runs,
    "box": _box,
    "outline": _outline,
    "rectangle": _rectangle,
    "circle": _circle,
    "line": _line,
    "disc": _disc,
    "png": _png,
    "rows": _rows,
}
