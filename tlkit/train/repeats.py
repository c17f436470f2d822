"""Find augmented images whose pixels are those of an earlier view, as half of all mirrored ones are."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

_BYTES = 8
VIEWS = 8
"""The number of earlier views to look in, which limits the memory."""


class Pixels:
    """The digests of the augmented images of a view, 8 bytes each.

    Args:
        count: the number of images.

    Attributes:
        digests: uint8 (count, 8); zeros where the image was not seen.
    """

    def __init__(self, count: int) -> None:
        self.digests = np.zeros((count, _BYTES), np.uint8)

    def note(self, places: np.ndarray, images: Any) -> None:
        """Note images, float32 (n, H, W, 3), at their places in the view."""
        self.digests[places] = digests(images)

    def equal(self, places: np.ndarray, other: Pixels) -> np.ndarray:
        """Return, for each of some places, whether its image is the same in another view: bool (n,)."""
        ours, theirs = self.digests[places], other.digests[places]
        same: np.ndarray = theirs.any(1) & (ours == theirs).all(1)
        return same


def digests(images: Any) -> np.ndarray:
    """Return a fingerprint of each image's pixels: uint8 (n, 8).

    FarmHash64 (https://github.com/google/farmhash) is six times faster than SHA-256, and an image is compared with a
    few views of itself alone.
    """
    prints: np.ndarray = tf.raw_ops.Fingerprint(data=images, method="farmhash64").numpy()
    return prints
