"""Masks as PNG files of class numbers, and the table of their classes."""

from __future__ import annotations

import io
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from tlkit.contracts import IGNORE
from tlkit.files import CellWriter
from tlkit.report.colors import Color, class_palette


def palette_png(mask: np.ndarray, colors: Sequence[Color]) -> bytes:
    """Return a mask as a palette PNG (mode P): class numbers are the indices, the classes' colours the palette.

    Args:
        mask: uint8 (H, W), class numbers and ``IGNORE``.
        colors: the colour of each class.
    """
    image = Image.fromarray(mask)
    image.putpalette(class_palette(colors))
    return png(image)


def class_mask_png(mask: np.ndarray, colors: Sequence[Color], background: int | None) -> bytes:
    """Return a mask like ``palette_png``, quickly, whose background and ignored pixels a viewer shows as transparent.

    Args:
        mask: uint8 (H, W), class numbers and ``IGNORE``.
        colors: the colour of each class.
        background: the number of the class that is transparent; None if there is none.
    """
    image = Image.fromarray(mask)
    image.putpalette(class_palette(colors))
    opaque = bytearray(b"\xff" * 256)
    for number in (background, IGNORE):
        if number is not None:
            opaque[number] = 0
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1, transparency=bytes(opaque))
    return buffer.getvalue()


def png(image: Image.Image, *, quick: bool = False) -> bytes:
    """Return an image as a PNG file.

    Args:
        image: the image.
        quick: take a quarter of the time for a photograph, and a tenth more space.
    """
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1 if quick else 6)
    return buffer.getvalue()


def classes_csv(classes: Sequence[str], colors: Sequence[Color]) -> str:
    """Return a table of class numbers, names and colours as CSV."""
    text = io.StringIO(newline="")
    writer = CellWriter(text)
    writer.writerow(["number", "class", "red", "green", "blue"])
    for number, (name, color) in enumerate(zip(classes, colors, strict=True)):
        writer.writerow([number, name, *color])
    return text.getvalue()


def unique_stems(files: Sequence[str]) -> list[str]:
    """Return a unique name without suffix for each file, also on file systems that ignore case or Unicode forms.

    ``a.jpg`` becomes ``a``; ``b.jpg`` and ``b.png`` of the same folder become ``b.jpg`` and ``b.png``.

    Args:
        files: relative paths, with ``/`` between their parts.
    """
    stems = [str(PurePosixPath(file).with_suffix("")) for file in files]
    counts = Counter(map(_folded, stems))
    taken: set[str] = set()
    names: list[str] = []
    for file, stem in zip(files, stems, strict=True):
        wanted = stem if counts[_folded(stem)] == 1 else file
        name, number = wanted, 1
        while _folded(name) in taken:
            number += 1
            name = f"{wanted}-{number}"
        taken.add(_folded(name))
        names.append(name)
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
