"""Values of more than 8 bits from files of which Pillow itself keeps only 8, or which it scales."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from tlkit.data.images.bands import Bands

OTHER_BYTES = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBX;16B": "RGBX;16L",
    "RGBX;16L": "RGBX;16B",
    "RGB;16N": "RGB;16B" if sys.byteorder == "little" else "RGB;16L",
    "RGBA;16N": "RGBA;16B" if sys.byteorder == "little" else "RGBA;16L",
    "RGBX;16N": "RGBX;16B" if sys.byteorder == "little" else "RGBX;16L",
    "LA;16B": "RGBA",
}
"""Pillow's layout of 16-bit samples, of which it keeps the upper byte → the layout by which it keeps the lower one."""


def of_16_bit_colors(image: Image.Image, again: Image.Image, rawmode: str) -> Bands:
    """Decode an image of 16 bits per channel twice, since Pillow keeps one of the two bytes of each sample.

    Args:
        image: the image.
        again: the same, opened another time.
        rawmode: Pillow's layout of its samples, a key of ``OTHER_BYTES``.
    """
    tiles: Any = again.tile  # type: ignore[attr-defined]
    other = OTHER_BYTES[rawmode]
    again.tile = [  # type: ignore[attr-defined]
        tile._replace(args=other if isinstance(tile.args, str) else (other, *tile.args[1:])) for tile in tiles
    ]
    for each in (image, again):
        each.load()
    high, low = (np.asarray(each).astype(np.uint16) for each in (image, again))
    if rawmode == "LA;16B":
        return Bands(np.stack([low[..., 0] << 8 | low[..., 1], low[..., 2] << 8 | low[..., 3]], -1), 65535, 1, 1)
    return Bands(high << 8 | low, 65535, 3, 3 if high.shape[2] == 4 else None)


def with_clear_color(bands: Bands, clear: int | tuple[int, ...]) -> Bands:
    """Make the one colour of a 16-bit PNG transparent that its header names."""
    opaque = (bands.values != np.array(clear, np.uint16)).any(-1, keepdims=True)
    values = np.concatenate([bands.values, np.where(opaque, 65535, 0).astype(np.uint16)], -1)
    return replace(bands, values=values, alpha=bands.colors)


def pnm_maximum(name: str, tiles: Sequence[Any]) -> int:
    """Return the largest value that the header of a PGM or PPM file names; 0 for other files.

    Args:
        name: Pillow's name of the format.
        tiles: Pillow's ``tile`` of the opened file.
    """
    if name != "PPM" or not tiles:
        return 0
    codec, args = tiles[0].codec_name, tiles[0].args
    return int(args[1]) if codec.startswith("ppm") and args[0] != "1" else 65535 * (args == "I;16B")


def of_pnm(content: bytes, image: Image.Image, tile: Any, maximum: int) -> Bands:
    """Return the values of a PGM or PPM file, which Pillow scales to 8 or 16 bits."""
    if tile.codec_name == "ppm_plain":
        image.load()
        values = np.asarray(image).astype(np.float64)
        scaled = np.rint(values * maximum / (65535 if values.ndim == 2 else 255)).astype(np.uint16)
        return Bands(scaled.reshape(*scaled.shape[:2], -1), maximum, 1 if values.ndim == 2 else 3)
    colors = 3 if content.startswith(b"P6") else 1
    width, height = image.size
    count = width * height * colors
    if len(content) < tile.offset + 2 * count:
        raise EOFError("image file is truncated")
    values = np.frombuffer(content, ">u2", count, tile.offset).reshape(height, width, colors)
    return Bands(np.minimum(values, maximum).astype(np.uint16), maximum, colors)


def jpeg2000_bits(content: bytes) -> int:
    """Return the number of bits per sample of a JPEG 2000 image (ISO/IEC 15444-1, A.5.1: Ssiz)."""
    place = content.find(b"\xff\x4f\xff\x51") + 42
    bits = content[place] + 1 if 42 <= place < len(content) else 16
    return bits if 8 < bits <= 16 else 16
