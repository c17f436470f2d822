"""Colours of classes, runs and labels, and masks drawn over images."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from tlkit.contracts import IGNORE

Color = tuple[int, int, int]
"""(red, green, blue), each in 0-255."""

OKABE_ITO: tuple[Color, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Colours that people with any colour vision can tell apart (Okabe and Ito 2008), without black."""
_CLASSES = """
e90 03f 5df 900 086 ee8 708 88f 960 d69 7b7 824 75a fc0 f03 2bb 9fc 16f 584 847 f9c 151 97b ac6 944 e36 51b
7ae 3d9 b59 b95 b02 0fe a06 098 f0c e73 bea b09 0a7 f7d 0f5 c36 82c b64 e89 08d 806 d31 a57 913 5ec f7a fae
00e 5c4 e8f f58 37c cd8 2cb 596 d65 d48 918 075 673 a45 842 fa5 c7a 05e a48 682 737 27f 76a c57 725 095 e67
459 592 6e2 a6a c2c d7c 8c7 a55 f5a 7db e8c 946 05b e19 772 9b2 24d 648 d96 5c8 a33 822 8da 0b8 835 bf3 540
53a 86b ce9 0a3 fd6 1bd b24 803 d79 c06 b6d 8fd ebf 5bf b69 f9a 5b6 3ad 0dd d17 3ce ac0 7fb d2e a11 b17 d5b
d6f 724 46b a40 22c c84 fa8 a7c afa 924 aa4 7f7 64a 69e f77 c76 0e9 d8b 537 ad6 f46 f32 9eb 619 2a9 9d7 f95
74d b06 848 03d d12 a13 825 f8b 980 906 d3a 6ee 24b 362 b5d e9f e57 e80 6d8 48e c7b 639 a35 b54 93c e63 e48
7c9 b68 04f 993 c46 dc5 f68 61e fe0 834 bb6 da3 073 e2d 934 e79 6ca 86e 6a4 c68 795 9e7 dd4 c1a 62c 5f9 b9e
717 b48 92e 9f8 94d a8e 86c f6d d35 730 92a 8c5 84f 6e8 7ff dae c3b e76 52a 81b f39 b8c d57 762 e04 080 c6c
551 661 f97 871 fad a18 5b9 c91 935 a2b dc7
"""
"""Colours of classes, a hexadecimal digit per channel, from ``tests/report/choose_colors.py``: strong colours, each the
farthest from those before it (CIEDE2000), above all from those of near class numbers, for any colour vision."""
GREY: Color = (128, 128, 128)
"""The colour of ignored pixels."""
_BACKGROUND = frozenset({"background", "bg"})
"""Names of a class that is no object."""
WRONG = "#c62828"
RIGHT = "#2e7d32"
BLUE = "#0072b2"
ORANGE = "#d55e00"


@cache
def _class_colors() -> tuple[Color, ...]:
    digits = [[int(digit, 16) * 17 for digit in color] for color in _CLASSES.split()]
    return tuple((red, green, blue) for red, green, blue in digits)


def palette(count: int) -> list[Color]:
    """Return the colours of ``count`` classes, all different: those of the table, then hues spaced by the golden angle.

    Classes with near numbers differ most. The first 12 colours differ by CIEDE2000 19 or more, and by 10 or more for
    people with protanopia, deuteranopia or tritanopia.
    """
    return _with_hues(_class_colors(), count)


def phase_colors(count: int) -> list[Color]:
    """Return ``count`` different colours: Okabe and Ito's seven, then hues spaced by the golden angle."""
    return _with_hues(OKABE_ITO, count)


def _with_hues(known: Sequence[Color], count: int) -> list[Color]:
    """Return the first ``count`` of the known colours, with as many further ones as that needs."""
    colors = list(known[:count])
    taken = {*colors, GREY}
    further = _further_colors()
    while len(colors) < count:
        color = next(further)
        if color not in taken:
            colors.append(color)
            taken.add(color)
    return colors


def _further_colors() -> Iterator[Color]:
    """Yield hues spaced by the golden angle and, as there are only some 3,000 different ones, then every colour."""
    for step in range(20_000):
        hue = (0.94 + step * 0.618033988749895) % 1.0
        saturation, value = ((0.85, 0.75), (0.45, 0.95), (0.95, 0.45), (0.6, 0.65))[step % 4]
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        yield red, green, blue
    for step in range(2**24):
        number = step * 10_368_889 % 2**24  # odd, so that each number comes once; near the golden section of 2^24
        yield number >> 16, number >> 8 & 255, number & 255


def line_colors(count: int) -> list[str]:
    """Return ``count`` different colours for lines on white as ``#rrggbb``: Okabe and Ito's, black for yellow."""
    seven = [OKABE_ITO[i] for i in (4, 5, 2, 6, 0, 1)] + [(0, 0, 0)]
    further = phase_colors(max(count, len(OKABE_ITO)))[len(OKABE_ITO) :]
    return [hexadecimal(color) for color in (seven + further)[:count]]


def hexadecimal(color: Color) -> str:
    """Return a colour as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def class_palette(colors: Sequence[Color]) -> bytes:
    """Return the palette of class numbers, 256 times red, green and blue; ``IGNORE`` is grey."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = colors
    table[IGNORE] = GREY
    return table.tobytes()


def background_class(classes: Sequence[str]) -> int | None:
    """Return the number of the class that is no object, by its name; None if there is none."""
    return next((number for number, name in enumerate(classes) if name.strip("_ ").casefold() in _BACKGROUND), None)


def overlay(
    image: np.ndarray, mask: np.ndarray, colors: tuple[Color, ...], background: int | None = None
) -> np.ndarray:
    """Draw a mask over an image: classes in their colours, ignored pixels grey, and the borders between classes.

    The image is seen as it is where the mask says background.

    Args:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W) class numbers and ``IGNORE``.
        colors: the colour of each class.
        background: the class that is not tinted; None to tint all.

    Returns:
        uint8 (H, W, 3).
    """
    table = np.full((256, 3), GREY, np.float32)
    table[: len(colors)] = np.array(colors, np.float32)
    strength = np.where(mask == IGNORE, 0.85, 0.5)[..., None].astype(np.float32)
    edge = np.zeros(mask.shape, bool)
    edge[:-1] |= mask[:-1] != mask[1:]
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    if background is not None:  # the lines around objects lie in them
        edge[1:] |= mask[:-1] != mask[1:]
        edge[:, 1:] |= mask[:, :-1] != mask[:, 1:]
        edge &= mask != background
        strength[mask == background] = 0
    strength[edge] = 1.0
    return np.asarray(np.rint(image * (1 - strength) + table[mask] * strength), np.uint8)
