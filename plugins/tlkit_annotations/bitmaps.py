"""Bitmaps inside annotation files."""

from __future__ import annotations

import base64
import binascii
import io

import numpy as np
from PIL import Image

import tlkit


def png_pixels(text: str, max_pixels: int) -> np.ndarray:
    """Return which pixels of a PNG in base64 are above 0, or not transparent if it has an alpha channel.

    Returns:
        bool (h, w).

    Raises:
        DataError: it is no PNG, or has more than ``max_pixels`` pixels.
    """
    try:
        content = base64.b64decode(text, validate=False)
        if int.from_bytes(content[16:20]) * int.from_bytes(content[20:24]) > max_pixels:
            raise tlkit.DataError("a bitmap that is much larger than the image")
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            pixels = np.array(image)
            alpha = image.mode in ("LA", "RGBA")
    except (binascii.Error, OSError, ValueError, SyntaxError) as error:
        raise tlkit.DataError(f"a bitmap that is not a PNG in base64: {error}") from error
    inside: np.ndarray = pixels != 0
    if inside.ndim == 2:
        return inside
    return inside[..., -1] if alpha else np.logical_or.reduce(inside, -1)
