"""Sheets of photographs with texts: matplotlib draws the texts, and the photographs are copied pixel by pixel.

An axis for each photograph would take ten times as long, most of it for the layout and for resampling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from tlkit.report.figures import new_figure, png_of

TILE = 2.1
"""The longer side of a photograph in inches."""
_SMALLEST, _LARGEST = 168, 315
"""The longer side of a photograph in pixels: a smaller one is enlarged by a whole factor, a larger one is reduced."""
_FRAME = 0.035
"""The thickness of a frame in inches."""


class PhotoSheet:
    """A white sheet for photographs of one size, and texts; lengths are in inches from the top left corner.

    Args:
        photo: one of the photographs, uint8 (H, W, 3).

    Attributes:
        photo_size: the (width, height) of a photograph.
    """

    def __init__(self, photo: np.ndarray) -> None:
        height, width = photo.shape[:2]
        longest = max(height, width)
        scale = -(-_SMALLEST // longest) if longest < _SMALLEST else min(1.0, _LARGEST / longest)
        self._shape = max(1, round(height * scale)), max(1, round(width * scale))
        self._dots = max(self._shape) / TILE
        self.photo_size = self._shape[1] / self._dots, self._shape[0] / self._dots
        self._texts: list[tuple[float, float, str, dict[str, Any]]] = []
        self._photos: list[tuple[float, float, np.ndarray]] = []

    def text(self, x: float, y: float, text: str, size: float, color: str = "black", *, above: bool = False) -> None:
        """Write a text.

        Args:
            x: its centre.
            y: its top; the baseline of its last line if it is to be above that.
            text: one or more lines.
            size: the size of the font in points.
            color: the colour, as ``#rrggbb`` or by name.
            above: whether the text ends at ``y`` instead of beginning there.
        """
        style = {"fontsize": size, "color": color, "va": "baseline" if above else "top"}
        self._texts.append((x, y, text, style))

    def photo(self, x: float, y: float, photo: np.ndarray, frame: str | None = None) -> None:
        """Show a photograph whose top is at ``y`` and whose centre is at ``x``, in a frame of that colour, if any."""
        left, width = x - self.photo_size[0] / 2, _FRAME
        if frame is not None:
            thick = round(width * self._dots)
            shape = (self._shape[0] + 2 * thick, self._shape[1] + 2 * thick, 3)
            color = [int(frame[at : at + 2], 16) for at in (1, 3, 5)]
            self._photos.append((left - width, y - width, np.full(shape, color, np.uint8)))
        self._photos.append((left, y, _resized(photo, self._shape)))

    def png(self, width: float, height: float, finish: Callable[[Any], None] = lambda _figure: None) -> bytes:
        """Draw the sheet.

        Args:
            width: the sheet's width.
            height: the sheet's height.
            finish: adds a legend to the matplotlib figure with the texts.

        Returns:
            the content of a PNG file.
        """
        figure = new_figure(width, height, layout=None, dpi=self._dots)
        for x, y, text, style in self._texts:
            figure.text(x / width, 1 - y / height, text, ha="center", linespacing=1.15, **style)
        finish(figure)
        figure.canvas.draw()
        pixels = np.array(np.asarray(figure.canvas.buffer_rgba())[..., :3])
        for x, y, photo in self._photos:
            left, top = round(x * self._dots), round(y * self._dots)
            pixels[top : top + photo.shape[0], left : left + photo.shape[1]] = photo
        return png_of(pixels)


def _resized(photo: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    if photo.shape[:2] == shape:
        return photo
    how = Image.Resampling.NEAREST if shape[0] > photo.shape[0] else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(photo).resize(shape[::-1], how))
