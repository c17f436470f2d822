"""Outlines of ellipses and turned rectangles, as polygons."""

from __future__ import annotations

import math
from collections.abc import Sequence

_CORNERS = 90
"""Corners of the polygon of an ellipse: one of 1,000 pixels' diameter differs by 0.3 pixels at most."""


def ellipse(values: Sequence[float], degrees: float = 0.0) -> list[float]:
    """Return the polygon [x, y, …] of an ellipse, turned clockwise about its centre.

    Args:
        values: x and y of its centre, and its two radii, in pixels.
        degrees: by how much it is turned.
    """
    x, y, radius_x, radius_y = values
    angles = [2 * math.pi * corner / _CORNERS for corner in range(_CORNERS)]
    return turned([(x + radius_x * math.cos(a), y + radius_y * math.sin(a)) for a in angles], (x, y), degrees)


def rectangle(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    """Return the corners of a rectangle from its upper left corner."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def turned(points: Sequence[tuple[float, float]], center: tuple[float, float], degrees: float) -> list[float]:
    """Return points as [x, y, …], turned clockwise about a centre (the y axis points down)."""
    if not degrees:
        return [value for point in points for value in point]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    flat: list[float] = []
    for x, y in points:
        right, down = x - center[0], y - center[1]
        flat += [center[0] + right * cos - down * sin, center[1] + right * sin + down * cos]
    return flat
