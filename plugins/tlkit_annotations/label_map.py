"""Read ``labelmap.txt``, which names the colours of the masks of CVAT and of Pascal VOC."""

from __future__ import annotations

import re
from pathlib import Path

import tlkit
from tlkit_annotations.reading import read_text

Color = tuple[int, int, int]

VOC_CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""The classes of the Pascal VOC challenge, in the order of their numbers (Everingham et al. 2010)."""

BACKGROUND = "background"
_MAX_BYTES = 10**6
# The class ends at the last colon before a colour, so it may have colons; a comment after the colour may have them too.
_WITH_COLOR = re.compile(r"(.*):\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(?::.*|#.*)?")
_WITHOUT_COLOR = re.compile(r"(.+?)(?::\s*:[^:]*:[^:]*)?")


def voc_color(number: int) -> Color:
    """Return the colour of a class number in the palette of Pascal VOC: the bits of the number, spread over R, G and B.

    Source: ``VOClabelcolormap`` in the development kit of the challenge.
    """
    red = green = blue = 0
    for bit in range(8):
        red |= (number >> (3 * bit) & 1) << (7 - bit)
        green |= (number >> (3 * bit + 1) & 1) << (7 - bit)
        blue |= (number >> (3 * bit + 2) & 1) << (7 - bit)
    return red, green, blue


VOID = voc_color(255)
"""The colour of the border of an object in Pascal VOC, which belongs to no class."""


def standard_colors() -> dict[str, Color]:
    """Return class → colour of the Pascal VOC challenge."""
    return {name: voc_color(number) for number, name in enumerate(VOC_CLASSES)}


def read_label_map(file: Path) -> dict[str, Color]:
    """Return class → colour, in the order of the lines.

    A line is ``name:red,green,blue:parts:actions``. Names may have colons. Lines that start with ``#`` are comments,
    and a line may end with one. Where the colours are empty, they are those of Pascal VOC by the
    line's number. If no class is called background and none is black, black is the background; it has class number 0.

    Raises:
        DataError: the file can't be read, a line has no colour, or two classes have the same one.
    """
    entries = [_entry(file, number, line) for number, line in _lines(file)]
    colors: dict[str, Color] = {}
    for place, (number, name, color) in enumerate(entries):
        if name in colors:
            raise tlkit.DataError(f"{file}:{number}: a second line for the class {name}; expected one line per class")
        colors[name] = voc_color(place) if color is None else color
    by_color: dict[Color, str] = {}
    for name, color in colors.items():
        if color in by_color:
            raise tlkit.DataError(
                f"{file}: {by_color[color]} and {name} have the same colour {_text(color)}, so masks can't distinguish "
                "them; give each class a colour of its own and export the masks again"
            )
        by_color[color] = name
    if BACKGROUND not in colors and (0, 0, 0) not in by_color:
        colors = {BACKGROUND: (0, 0, 0), **colors}
    first = BACKGROUND if BACKGROUND in colors else by_color[0, 0, 0]
    return {first: colors[first], **colors}


def _lines(file: Path) -> list[tuple[int, str]]:
    lines = [(number, line.strip()) for number, line in enumerate(read_text(file, _MAX_BYTES).splitlines(), 1)]
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _entry(file: Path, number: int, line: str) -> tuple[int, str, Color | None]:
    """Return the line's number, its class and its colour; None where the colour is empty."""
    if match := _WITH_COLOR.fullmatch(line):
        name, *values = match.groups()
        red, green, blue = map(int, values)
        if max(red, green, blue) > 255:
            raise tlkit.DataError(f'{file}:{number}: expected a colour of three numbers of 0-255, received "{line}"')
        color = (red, green, blue)
    elif match := _WITHOUT_COLOR.fullmatch(line.split(" #")[0].strip()):
        name, color = match[1], None
    else:
        raise tlkit.DataError(f'{file}:{number}: expected "class:red,green,blue::", received "{line}"')
    if not name.strip():
        raise tlkit.DataError(f'{file}:{number}: no class before the colour: "{line}"')
    return number, name.strip(), color


def _text(color: Color) -> str:
    return ",".join(map(str, color))
