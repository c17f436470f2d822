"""Colours of classes, runs and labels, and masks drawn over images."""

from __future__ import annotations

import colorsys

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
GREY: Color = (128, 128, 128)
"""The colour of ignored pixels."""
WRONG = "#c62828"
RIGHT = "#2e7d32"
BLUE = "#0072b2"
ORANGE = "#d55e00"


def palette(count: int) -> list[Color]:
    """Return ``count`` different colours: Okabe and Ito's seven, then hues spaced by the golden angle."""
    colors = list(OKABE_ITO[:count])
    step = 0
    while len(colors) < count:
        hue = (0.94 + step * 0.618033988749895) % 1.0
        saturation, value = ((0.85, 0.75), (0.45, 0.95), (0.95, 0.45), (0.6, 0.65))[step % 4]
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        if (red, green, blue) not in colors and (red, green, blue) != GREY:
            colors.append((red, green, blue))
        step += 1
    return colors


def line_colors(count: int) -> list[str]:
    """Return ``count`` different colours for lines on white as ``#rrggbb``: Okabe and Ito's, black for yellow."""
    seven = [OKABE_ITO[i] for i in (4, 5, 2, 6, 0, 1)] + [(0, 0, 0)]
    further = palette(max(count, len(OKABE_ITO)))[len(OKABE_ITO) :]
    return [hexadecimal(color) for color in (seven + further)[:count]]


def hexadecimal(color: Color) -> str:
    """Return a colour as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def overlay(image: np.ndarray, mask: np.ndarray, colors: tuple[Color, ...]) -> np.ndarray:
    """Draw a mask over an image: classes in their colours, ignored pixels grey, and the borders between classes.

    Args:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W) class numbers and ``IGNORE``.
        colors: the colour of each class.

    Returns:
        uint8 (H, W, 3).
    """
    table = np.full((256, 3), GREY, np.float32)
    table[: len(colors)] = np.array(colors, np.float32)
    strength = np.where(mask == IGNORE, 0.85, 0.5)[..., None].astype(np.float32)
    edge = np.zeros(mask.shape, bool)
    edge[:-1] |= mask[:-1] != mask[1:]
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    strength[edge] = 1.0
    return np.asarray(np.rint(image * (1 - strength) + table[mask] * strength), np.uint8)
