"""Write a palette PNG strip by strip, so that a mask of any size needs little memory; Pillow encodes whole images."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from tlkit.report.colors import Color, class_palette

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE_OF_8_BITS = bytes((8, 3, 0, 0, 0))
"""Bit depth, colour type, and the only methods of compression, filtering and interlacing."""


class PngStrips:
    """A palette PNG that is written from the top (PNG specification, third edition, W3C 2025).

    Args:
        file: the file, opened for writing.
        size: (height, width) in pixels.
        colors: the colour of each class.
    """

    def __init__(self, file: BinaryIO, size: tuple[int, int], colors: Sequence[Color]) -> None:
        self._file = file
        self._zlib = zlib.compressobj(6)
        file.write(_SIGNATURE)
        self._chunk(b"IHDR", struct.pack(">II", size[1], size[0]) + _PALETTE_OF_8_BITS)
        self._chunk(b"PLTE", class_palette(colors))

    def write(self, strip: np.ndarray) -> None:
        """Write the next rows, uint8 (h, W) class numbers."""
        rows = np.zeros((strip.shape[0], strip.shape[1] + 1), np.uint8)  # each row begins with its filter, here none
        rows[:, 1:] = strip
        if content := self._zlib.compress(rows.data):
            self._chunk(b"IDAT", content)

    def end(self) -> None:
        """Write what is left, after the last row."""
        self._chunk(b"IDAT", self._zlib.flush())
        self._chunk(b"IEND", b"")

    def _chunk(self, name: bytes, content: bytes) -> None:
        self._file.write(struct.pack(">I", len(content)) + name + content)
        self._file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(name))))
