"""Occlusion: how much the evidence for a class falls when a part of the image is covered.

Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901, section 4.2: a patch of one colour slides over the image, and
the model is asked again each time. It takes a hundred times as long as Grad-CAM and trusts no gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_PATCHES = 7
"""Patches side by side across an image; they move by half of their size."""

Evidence = Callable[[np.ndarray], np.ndarray]
"""From images, uint8 (n, H, W, 3), to the evidence for the class that is explained, float (n,)."""


def occlusion_map(image: np.ndarray, evidence: Evidence, batch_size: int) -> np.ndarray:
    """Return how much the evidence falls where the image is covered with its mean colour.

    Args:
        image: uint8 (H, W, 3).
        evidence: gives the evidence of covered images.
        batch_size: the largest number of images at a time.

    Returns:
        float32 (H, W): the mean fall over all patches that cover a pixel; below 0 where covering raises the evidence.
    """
    height, width = image.shape[:2]
    color = image.reshape(-1, 3).mean(0).round().astype(np.uint8)
    boxes = [(rows, columns) for rows in _spans(height) for columns in _spans(width)]
    [before] = evidence(image[None])
    falls = np.zeros((height, width), np.float64)
    covers = np.zeros((height, width), np.int64)
    for first in range(0, len(boxes), batch_size):
        part = boxes[first : first + batch_size]
        covered = np.repeat(image[None], len(part), 0)
        for number, box in enumerate(part):
            covered[number][box] = color
        for box, after in zip(part, evidence(covered), strict=True):
            falls[box] += before - after
            covers[box] += 1
    return np.asarray(falls / covers, np.float32)


def _spans(length: int) -> list[slice]:
    """Return overlapping spans that cover a length; each place lies in one or two, and at most in three."""
    size = max(1, round(length / _PATCHES))
    step = max(1, size // 2)
    starts = [*range(0, length - size, step), length - size]
    return [slice(start, start + size) for start in starts]
