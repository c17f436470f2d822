"""The bands of an image as its file stores them, and how they become 8-bit RGB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit.data.images.image_file import BadImageError
from tlkit.data.images.reading import Reading
from tlkit.system.text import listed

_QUANTILES = (0.001, 0.999)
"""Shares of the pixels below and above the range in use: a few hot or dead pixels don't count."""
_SAMPLED = 2**18
"""Values per image, evenly spaced, from which the quantiles are computed."""


@dataclass(frozen=True)
class Bands:
    """The bands of an image.

    Args:
        values: (H, W, C): unsigned or signed integers, or floating point.
        highest: the largest value that the format allows, such as 65535, where the smallest is 0; 0: the values have no
            fixed range, as signed and 32-bit integers and floating-point values.
        colors: how many bands, from the first, are colours: 3 (RGB), or 1 (grey); 0: their meaning is unknown.
        alpha: the number of the band that is the opacity; None: all pixels are opaque.
        premultiplied: whether the colours were multiplied by the opacity.
        inverted: whether the lowest value is white.
    """

    values: np.ndarray
    highest: int
    colors: int
    alpha: int | None = None
    premultiplied: bool = False
    inverted: bool = False

    @property
    def deep(self) -> bool:
        """Whether the values are more than 8-bit grey levels, so that ``Reading.value_range`` applies to them."""
        return not 0 < self.highest <= 255

    def chosen(self, path: Path, reading: Reading) -> Bands:
        """Return the bands that are to be used, 1 or 3, and the opacity.

        Raises:
            BadImageError: the image has too few of them, or more than its format explains.
        """
        if reading.bands:
            values = self.values[..., check_bands(path, self.values.shape[2], reading)]
            return replace(self, values=values, colors=values.shape[2], alpha=None, premultiplied=False)
        if not self.colors:
            raise unexplained(path, self.values.shape[2])
        used = list(range(self.colors)) + ([] if self.alpha is None else [self.alpha])
        return replace(self, values=self.values[..., used], alpha=None if self.alpha is None else self.colors)

    def turned(self, orientation: int) -> Bands:
        """Return the image as its EXIF orientation asks for."""
        return replace(self, values=turned(self.values, orientation))

    def used_range(self) -> tuple[float, ...]:
        """Return (``highest``, lowest, low, high, largest) of the values of the colours; empty if none is finite.

        Low and high leave out the darkest and the brightest thousandth, of at most ``_SAMPLED`` evenly spaced values.
        """
        values = self.values[..., : self.colors].reshape(-1)
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if not len(values):
            return ()
        few = np.sort(values[:: -(-len(values) // _SAMPLED)])
        low, high = (few[round(share * (len(few) - 1))] for share in _QUANTILES)
        return (float(self.highest), *(float(each) for each in (values.min(), low, high, values.max())))

    def stretched(self) -> np.ndarray:
        """Return the colours with their own range scaled to 0-255, uint8 (H, W, 1 or 3): all detail that there is."""
        bounds = self.used_range()
        gray = self.values[..., : self.colors]
        if not bounds:
            return np.zeros(gray.shape, np.uint8)
        return _scaled(gray, bounds[1], max(bounds[4], bounds[1] + 1e-12))

    def rgb(self, reading: Reading) -> Image.Image:
        """Return the image as 8-bit RGB, transparent pixels blended with white; see ``decode.decode_image``."""
        colors = _in_8_bits(self.values[..., : self.colors], self.highest, reading.value_range if self.deep else None)
        if self.inverted:
            colors = 255 - colors
        if self.alpha is not None:
            colors = self._blended(colors)
        if colors.shape[2] == 1:
            return Image.fromarray(colors[..., 0]).convert("RGB")
        return Image.fromarray(colors)

    def _blended(self, colors: np.ndarray) -> np.ndarray:
        highest = self.highest or 1
        opacity = np.clip(np.nan_to_num(self.values[..., self.alpha, None].astype(np.float64)) / highest, 0, 1)
        shown = colors if self.premultiplied else colors * opacity
        return np.clip(np.rint(shown + 255 * (1 - opacity)), 0, 255).astype(np.uint8)


def turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels, (H, W, C), as their EXIF orientation, 1 to 8, asks for."""
    if orientation in (3, 4, 7):
        values = values[::-1]
    if orientation in (2, 3, 7):
        values = values[:, ::-1]
    if orientation in (5, 7):
        return values.swapaxes(0, 1)
    return np.asarray(np.rot90(values, {6: -1, 8: 1}.get(orientation, 0)))


def turned_back(values: np.ndarray, orientation: int) -> np.ndarray:
    """Undo ``turned``."""
    return turned(values, {6: 8, 8: 6}.get(orientation, orientation))


def check_bands(path: Path, count: int, reading: Reading) -> list[int]:
    """Return the chosen bands.

    Raises:
        BadImageError: the image has fewer bands.
    """
    missing = [band for band in reading.bands if band >= count]
    if missing:
        there = "1 band, 0" if count == 1 else f"{count} bands, 0 to {count - 1}"
        message = f"{path}: input.bands names {listed([str(each) for each in missing], 3)}; the image has {there}"
        raise BadImageError("unsupported", message)
    return list(reading.bands)


def unexplained(path: Path, count: int) -> BadImageError:
    """Return the error for an image whose bands are not known to be colours."""
    example = "[0, 1, 2]" if count > 2 else "[0]"
    return BadImageError(
        "unsupported",
        f"{path}: has {count} bands, and nothing in the file says which are red, green and blue; set input.bands = "
        f"{example} to choose three of them, or one, counted from 0",
    )


def _in_8_bits(values: np.ndarray, highest: int, value_range: tuple[float, float] | None) -> np.ndarray:
    if values.dtype.kind in "ui" and values.dtype.itemsize <= 2 and (highest or value_range is not None):
        # Few values are possible, so a table is quicker than the arithmetic.
        low, high = value_range or (0, highest)
        signed = values.dtype.kind == "i"
        table = _table(low, high, values.dtype.itemsize, signed)
        return np.asarray(table[values.view(values.dtype.str.replace("i", "u")) if signed else values])
    if value_range is not None:
        return _scaled(values, *value_range)
    return _scaled(values, *own_range(values))


@lru_cache(16)
def _table(low: float, high: float, itemsize: int, signed: bool) -> np.ndarray:
    values = np.arange(2 ** (8 * itemsize), dtype=f"u{itemsize}")
    return _scaled(values.view(f"i{itemsize}") if signed else values, low, high)


def own_range(values: np.ndarray) -> tuple[float, float]:
    """Return 0 and 255 for values that are grey levels of 8 bits already; otherwise the lowest and the highest."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return (low, max(high, low + 1e-12)) if low < 0 or high > 255 or high <= 1 else (0.0, 255.0)


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    wide = values.astype(np.float64)
    scaled = wide if (low, high) == (0, 255) else (wide - low) * 255 / (high - low)
    scaled = np.where(np.isfinite(wide), scaled, 0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
