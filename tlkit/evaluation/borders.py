"""How wrong a segmentation is at each distance to the border between classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tlkit.contracts import IGNORE

EDGES = (1, 2, 4, 8, 16, 32)
"""The largest distance of each bin, in pixels; a last bin has what is farther, or in an image without a border."""


@dataclass(frozen=True)
class BorderErrors:
    """The pixels of some images by their distance to the nearest border between true classes.

    Args:
        pixels: int64 (bins,), how many pixels that are not ignored lie at each distance of ``EDGES``, and farther.
        wrong: int64 (bins,), how many of them are predicted to be of another class.
        images: the number of images.
    """

    pixels: np.ndarray
    wrong: np.ndarray
    images: int


def border_errors(masks: Iterable[tuple[np.ndarray, np.ndarray]]) -> BorderErrors:
    """Return how wrong predictions are at each distance to the border.

    Args:
        masks: the truth, uint8 (H, W) class numbers and ``IGNORE``, and the prediction, uint8 (H, W), of each image.
    """
    pixels, wrong, images = np.zeros(len(EDGES) + 1, np.int64), np.zeros(len(EDGES) + 1, np.int64), 0
    for truth, predicted in masks:
        counted = truth != IGNORE
        bins = np.searchsorted(EDGES, distance_to_border(truth)[counted])
        pixels += np.bincount(bins, minlength=len(pixels))
        wrong += np.bincount(bins[(truth != predicted)[counted]], minlength=len(pixels))
        images += 1
    return BorderErrors(pixels, wrong, images)


def distance_to_border(mask: np.ndarray) -> np.ndarray:
    """Return the distance of each pixel to the nearest border between two classes, in pixels.

    A pixel that touches one of another class on one of its four sides has the distance 1. Ignored pixels are taken to
    be of the nearest class: a band of them between two classes hides the border, and a frame of them has none.

    Args:
        mask: uint8 (H, W) class numbers and ``IGNORE``.

    Returns:
        float64 (H, W), at least 1; infinite in an image of a single class.
    """
    from scipy.ndimage import distance_transform_edt

    ignored = mask == IGNORE
    if ignored.all():
        return np.full(mask.shape, np.inf)
    if ignored.any():
        nearest = distance_transform_edt(ignored, return_distances=False, return_indices=True)
        mask = mask[tuple(nearest)]
    border = np.zeros(mask.shape, bool)
    for ahead, behind in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differs = mask[ahead] != mask[behind]
        border[ahead] |= differs
        border[behind] |= differs
    if not border.any():
        return np.full(mask.shape, np.inf)
    return np.asarray(distance_transform_edt(~border) + 1)
