"""The perceptual hashes of pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

_HASH_SIZE = 16
_TIMES = 4
"""Pixels per side of the image of which a hash is made, over the coefficients that are used of it."""
_LEVELS = np.arange(256)
_FLAT = 2.0
"""Standard deviation in grey levels below which an image shows too little to be recognised by its hash."""


class PictureHashes:
    """The perceptual hashes of a few images, made together: calling the transform costs as much as its arithmetic.

    The bits are those of ``imagehash.phash(gray, 16)``, which computes three quarters more of the transform.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._small: list[np.ndarray] = []

    def add(self, name: str, gray: Image.Image) -> None:
        """Add an image of 8-bit brightness; one that is nearly flat gets no hash.

        Args:
            name: what ``made`` calls it.
            gray: the image.
        """
        if _deviation(gray) >= _FLAT:
            side = _HASH_SIZE * _TIMES
            self._names.append(name)
            self._small.append(np.asarray(gray.resize((side, side), Image.Resampling.LANCZOS)))

    def made(self) -> dict[str, str]:
        """Return name → hash, 64 hexadecimal digits, of the images that have one."""
        if not self._names:
            return {}
        from scipy.fft import dct

        columns = dct(np.stack(self._small), axis=1)[:, :_HASH_SIZE]
        low = dct(columns, axis=2)[:, :, :_HASH_SIZE].reshape(len(self._names), -1)
        half = low.shape[1] // 2
        middle = np.partition(low, (half - 1, half), axis=1)[:, half - 1 : half + 1].mean(1, keepdims=True)
        hashes = np.packbits(low > middle, axis=1)
        return {name: each.tobytes().hex() for name, each in zip(self._names, hashes, strict=True)}


def _deviation(gray: Image.Image) -> float:
    """Return the standard deviation of the grey levels of an image."""
    counts = np.array(gray.histogram())
    total = counts.sum()
    mean = (counts @ _LEVELS) / total
    return float(np.sqrt((counts @ (_LEVELS - mean) ** 2) / total))
