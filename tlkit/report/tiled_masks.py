"""The mask and the overlay of a picture that is predicted strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit.report.colors import Color, overlay
from tlkit.report.mask_files import png
from tlkit.report.png_strips import PngStrips
from tlkit.system.disk import appearing_whole, write_atomically

OVERLAY_SIDE = 4096
"""Pixels of an overlay's longer side; a larger picture is reduced by a whole number."""
_ROWS = 256


class Overlay:
    """A picture and its mask, reduced while their strips come, which need not be of the same rows.

    Args:
        size: the picture's (height, width).
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.factor = -(-max(size) // OVERLAY_SIDE)
        self._picture = _Reduced(lambda part: _means(part, self.factor), self.factor)
        self._mask = _Reduced(lambda part: _middles(part, self.factor), self.factor)

    def add_picture(self, rows: np.ndarray) -> None:
        """Add the next rows of the picture, uint8 (h, W, 3)."""
        self._picture.add(rows)

    def add_mask(self, rows: np.ndarray) -> None:
        """Add the next rows of the mask, uint8 (h, W)."""
        self._mask.add(rows)

    def drawn(self, colors: Sequence[Color], background: int | None) -> np.ndarray:
        """Return the mask over the picture, uint8 (h, w, 3), without a tint where it is background."""
        image, mask = self._picture.whole(), self._mask.whole()
        parts = []
        for top in range(0, len(mask), _ROWS):  # with a row more on each side, which decides where borders are
            start = max(top - 1, 0)
            window = slice(start, top + _ROWS + 1)
            part = overlay(image[window], mask[window], tuple(colors), background)
            parts.append(part[top - start : top - start + _ROWS])
        return np.concatenate(parts)


class _Reduced:
    """Rows that are reduced by a factor as soon as there are enough of them; what is left over at the end is cut off.

    Args:
        reduce: reduces rows whose number is a multiple of the factor.
        factor: the factor.
    """

    def __init__(self, reduce: Callable[[np.ndarray], np.ndarray], factor: int) -> None:
        self._reduce = reduce
        self._factor = factor
        self._left: np.ndarray | None = None
        self._parts: list[np.ndarray] = []

    def add(self, rows: np.ndarray) -> None:
        rows = rows if self._left is None else np.concatenate([self._left, rows])
        whole = len(rows) - len(rows) % self._factor
        if whole:
            self._parts.append(self._reduce(rows[:whole]))
        self._left = rows[whole:].copy()

    def whole(self) -> np.ndarray:
        if not self._parts and self._left is not None:  # lower than the factor
            return self._reduce(np.pad(self._left, ((0, self._factor - len(self._left)), *self._beside()), "edge"))
        return np.concatenate(self._parts)

    def _beside(self) -> list[tuple[int, int]]:
        assert self._left is not None
        return [(0, 0)] * (self._left.ndim - 1)


def _means(rows: np.ndarray, factor: int) -> np.ndarray:
    """Return the mean of each square of a picture."""
    return np.array(Image.fromarray(_wide_enough(rows, factor)).reduce(factor)) if factor > 1 else rows


def _middles(rows: np.ndarray, factor: int) -> np.ndarray:
    """Return the class in the middle of each square of a mask."""
    return _wide_enough(rows, factor)[factor // 2 :: factor, factor // 2 :: factor].copy()


def _wide_enough(rows: np.ndarray, factor: int) -> np.ndarray:
    """Return rows without the columns at the right that fill no square; a single square is filled up."""
    width = rows.shape[1]
    if width < factor:
        return np.pad(rows, ((0, 0), (0, factor - width), *[(0, 0)] * (rows.ndim - 2)), "edge")
    return np.ascontiguousarray(rows[:, : width - width % factor])


def write_tiled_mask(
    strips: Callable[[Callable[[np.ndarray], None]], Iterable[np.ndarray]],
    size: tuple[int, int],
    colors: Sequence[Color],
    background: int | None,
    files: tuple[Path, Path],
) -> np.ndarray:
    """Write the mask and the overlay of a picture.

    Args:
        strips: predicts the mask's strips from the top, uint8 (h, W); it calls its argument with the picture's rows.
        size: the picture's (height, width).
        colors: the colour of each class.
        background: the class that is not tinted; None to tint all.
        files: the mask, and the overlay.

    Returns:
        int (256,) the number of pixels of each class number.

    Raises:
        OSError: a file can't be written.
    """
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
    drawing = Overlay(size)
    counts = np.zeros(256, np.int64)
    with appearing_whole(files[0]) as file:
        written = PngStrips(file, size, colors)
        for strip in strips(drawing.add_picture):
            written.write(strip)
            drawing.add_mask(strip)
            counts += np.bincount(strip.reshape(-1), minlength=256)
        written.end()
    write_atomically(files[1], png(Image.fromarray(drawing.drawn(colors, background)), quick=True))
    return counts
