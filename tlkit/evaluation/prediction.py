"""The prediction of one image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


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
    """

    path: Path | None
    label: str | None = None
    labels: tuple[str, ...] = ()
    probabilities: dict[str, float] = field(default_factory=dict)
    mask: np.ndarray | None = None
    pixel_probabilities: np.ndarray | None = None
    shares: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def probability(self) -> float | None:
        """The probability of the label; None unless there is exactly one."""
        return self.probabilities[self.labels[0]] if len(self.labels) == 1 else None
