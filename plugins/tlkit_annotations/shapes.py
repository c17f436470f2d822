"""Shapes of annotations, and the bytes that determine a drawn mask."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import tlkit

VERSION = 1
"""Version of ``drawing_text`` and of what ``draw`` makes of it: raise it whenever a pixel can change."""
MAX_PIXELS = 178_956_970
"""Maximum number of pixels of a drawn mask; Pillow's limit for images."""
MAX_SHAPES = 100_000
"""Maximum number of shapes in one image."""
MAX_LENGTH = 20_000_000
"""Maximum length in pixels of all outlines in one image: drawing takes time for each of their pixels."""
MAX_OUTLINE = 2_000_000
"""Maximum length in pixels of one shape's outlines: drawing takes 40 bytes and more for each of their pixels."""
_FURTHEST = 1e7
"""Coordinates further from 0 than this many pixels can't be right."""

Kind = Literal["polygons", "rle", "outline", "rectangle", "circle", "line", "disc", "png", "rows", "box"]
Overlap = Literal["smaller", "later", "earlier", "ignore"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape of an image's annotations. Coordinates are pixels; (0, 0) is the upper left corner of the first pixel.

    Args:
        name: its class name.
        kind: how it is drawn; the functions are in ``drawing.py``:

            - ``polygons``: list of polygons, each [x, y, x, y, …]; their union as pycocotools draws it;
            - ``rle``: column-major run lengths of the whole image, first of pixels outside, a list or COCO's text;
            - ``outline``: a polygon [x, y, x, y, …] as Pillow draws it, outline included;
            - ``rectangle``: [x, y, x, y] of two opposite corners, both included, as Pillow draws it;
            - ``circle``: [x, y, x, y] of its centre and a point of its edge;
            - ``line``: [x, y, x, y, …] of points joined by lines of 10 pixels' width;
            - ``disc``: [x, y, …] of points, each a disc of 5 pixels' radius;
            - ``png``: [x, y, text] of its upper left pixel and an image in base64, whose pixels above 0 are inside;
            - ``rows``: [x, y, width, height, runs] of a box of whole pixels and its row-major run lengths, first of
              pixels outside;
            - ``box``: [x, y, width, height] as pycocotools draws it.
        value: the coordinates or run lengths, as JSON values.
        holes: values of the same kind whose pixels are not part of it.
        crowd: whether it is a region of many objects, which the others lie above.
    """

    name: str
    kind: Kind
    value: Any
    holes: tuple[Any, ...] = ()
    crowd: bool = False


@dataclass(frozen=True)
class Rules:
    """How shapes become a mask.

    Args:
        overlap: which of two shapes that overlap has the pixel: the one with fewer pixels, the later or the earlier
            one; or ``ignore``: it is ignored where their classes differ.
        background: class number of pixels in no shape, or ``IGNORE``.
        number: class name → class number or ``IGNORE``; None: shapes of this class are not drawn.
        crowd: what crowds are: ignored where no other shape lies above, background, or objects like others.
    """

    overlap: Overlap
    background: int
    number: Callable[[str], int | None]
    crowd: Literal["ignore", "background", "object"] = "ignore"


def drawing_text(size: tuple[int, int], shapes: Sequence[Shape], rules: Rules) -> bytes:
    """Return the bytes that determine a mask completely: what ``DrawnMask.read`` returns.

    Args:
        size: (height, width) of the image in pixels.
        shapes: its shapes, in the order of the annotations.
        rules: how they become a mask.

    Raises:
        DataError: there are too many shapes or pixels.
    """
    if size[0] * size[1] > MAX_PIXELS:
        raise tlkit.DataError(f"{size[1]} x {size[0]} pixels; expected at most {MAX_PIXELS}")
    if len(shapes) > MAX_SHAPES:
        raise tlkit.DataError(f"{len(shapes)} shapes in one image; expected at most {MAX_SHAPES}")
    under, over = [], []
    for shape in shapes:
        number = rules.number(shape.name)
        if number is None or (shape.crowd and rules.crowd == "background"):
            continue
        if shape.crowd and rules.crowd == "ignore":
            under.append([tlkit.IGNORE, shape.kind, shape.value, *([shape.holes] if shape.holes else [])])
        else:
            over.append([number, shape.kind, shape.value, *([shape.holes] if shape.holes else [])])
    _check_lengths([shape for _, *shape in (*under, *over)])
    content = {
        "drawing": VERSION,
        "size": list(size),
        "background": rules.background,
        "overlap": rules.overlap,
        "under": under,
        "shapes": over,
    }
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def _check_lengths(shapes: Sequence[Sequence[Any]]) -> None:
    lengths = [
        sum(_length(each) for each in (value, *chain.from_iterable(holes)))
        for kind, value, *holes in shapes
        if kind not in ("rle", "png", "rows")
    ]
    for length, most in ((max(lengths, default=0), MAX_OUTLINE), (sum(lengths), MAX_LENGTH)):
        if length > most:
            raise tlkit.DataError(f"outlines that are {length:.0f} pixels long; expected at most {most}")


def is_path(value: Any, points: int = 1) -> bool:
    """Return whether a value is [x, y, x, y, …] of at least ``points`` points with coordinates that can be right."""
    if not isinstance(value, list) or len(value) < 2 * points or len(value) % 2:
        return False
    try:
        numbers = array("d", value)
    except (TypeError, OverflowError):
        return False
    return min(numbers) > -_FURTHEST and max(numbers) < _FURTHEST


def path_area(value: Sequence[float]) -> float:
    """Return the area in pixels of a polygon [x, y, x, y, …], by the shoelace formula."""
    xs, ys = value[::2], value[1::2]
    pairs = zip(xs, ys, [*xs[1:], xs[0]], [*ys[1:], ys[0]], strict=True)
    return abs(sum(x * next_y - next_x * y for x, y, next_x, next_y in pairs)) / 2


def _length(value: list[Any]) -> float:
    """Return the length in pixels of a closed path, or of several."""
    if value and isinstance(value[0], list):
        return math.fsum(map(_length, value))
    xs, ys = value[::2], value[1::2]
    return math.fsum(
        max(abs(x - next_x), abs(y - next_y))
        for x, y, next_x, next_y in zip(xs, ys, [*xs[1:], *xs[:1]], [*ys[1:], *ys[:1]], strict=False)
    )
