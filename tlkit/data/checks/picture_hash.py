"""The perceptual hash of a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

_HASH_SIZE = 16
_TIMES = 4
"""Pixels per side of the image of which a hash is made, over the coefficients that are used of it."""
_LEVELS = np.arange(256)
_FLAT = 2.0
"""Standard deviation in grey levels below which an image shows too little to be recognised by its hash."""


def picture_hash(gray: Image.Image) -> str:
    """Return the perceptual hash of an image of 8-bit brightness; empty if it is nearly flat.

    The bits are those of ``imagehash.phash(gray, 16)``, which computes three quarters more of the transform.
    """
    from scipy.fft import dct

    if _deviation(gray) < _FLAT:
        return ""
    side = _HASH_SIZE * _TIMES
    pixels = np.asarray(gray.resize((side, side), Image.Resampling.LANCZOS))
    low = dct(dct(pixels, axis=0)[:_HASH_SIZE], axis=1)[:, :_HASH_SIZE].reshape(-1)
    middle = np.partition(low, (len(low) // 2 - 1, len(low) // 2))[len(low) // 2 - 1 : len(low) // 2 + 1]
    return np.packbits(low > middle.mean()).tobytes().hex()


def _deviation(gray: Image.Image) -> float:
    """Return the standard deviation of the grey levels of an image."""
    counts = np.array(gray.histogram())
    total = counts.sum()
    mean = (counts @ _LEVELS) / total
    return float(np.sqrt((counts @ (_LEVELS - mean) ** 2) / total))
