"""The prediction of one image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class TileLabels:
    """What a classification predicts for the tiles of a picture.

    Args:
        boxes: int (N, 4): left, top, right and bottom of each tile in the picture, the last two outside.
        probabilities: float32 (N, classes).
    """

    boxes: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class Prediction:
    """The prediction of one image.

    Args:
        path: the file; None for an image in memory.
        label: the predicted class; several classes are joined by ``|``; None for segmentation and on an error.
        labels: the predicted classes, one by one.
        probabilities: class name → probability in 0-1; empty for segmentation and on an error.
        mask: uint8 (H, W) class numbers at the image's own size; None for classification and on an error.
        pixel_probabilities: float32 (H, W, classes) at the image's own size, of which ``mask`` has the largest, if
            they were asked for; else None.
        shares: segmentation: class name → its share of the image's pixels in 0-1; else empty.
        error: why the image could not be decoded; None if it was.
        size: the picture's (height, width), if it was predicted in tiles or segmented; else None. A segmentation in
            tiles has no ``mask``.
        tiles: classification in tiles: what was predicted for each; else None.
    """

    path: Path | None
    label: str | None = None
    labels: tuple[str, ...] = ()
    probabilities: dict[str, float] = field(default_factory=dict)
    mask: np.ndarray | None = None
    pixel_probabilities: np.ndarray | None = None
    shares: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    size: tuple[int, int] | None = None
    tiles: TileLabels | None = None

    @property
    def probability(self) -> float | None:
        """The probability of the label; None unless there is exactly one."""
        return self.probabilities[self.labels[0]] if len(self.labels) == 1 else None
