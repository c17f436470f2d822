"""Find augmented images whose pixels are those of an earlier view, as half of all mirrored ones are."""

from __future__ import annotations

import hashlib

import numpy as np

_BYTES = 16
VIEWS = 8
"""The number of earlier views to look in, which limits the memory."""


class Pixels:
    """The digests of the augmented images of a view, 16 bytes each.

    Args:
        count: the number of images.

    Attributes:
        digests: uint8 (count, 16); zeros where the image was not seen.
    """

    def __init__(self, count: int) -> None:
        self.digests = np.zeros((count, _BYTES), np.uint8)

    def note(self, places: np.ndarray, images: np.ndarray) -> None:
        """Note images at their places in the view."""
        self.digests[places] = digests(images)

    def equal(self, places: np.ndarray, other: Pixels) -> np.ndarray:
        """Return, for each of some places, whether its image is the same in another view: bool (n,)."""
        ours, theirs = self.digests[places], other.digests[places]
        same: np.ndarray = theirs.any(1) & (ours == theirs).all(1)
        return same


def digests(images: np.ndarray) -> np.ndarray:
    """Return the first 16 bytes of the SHA-256 of each image's pixels: uint8 (n, 16)."""
    images = np.ascontiguousarray(images)
    parts = (hashlib.sha256(each.data).digest()[:_BYTES] for each in images)
    return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, _BYTES)
