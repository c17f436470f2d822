"""The prediction of one file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Prediction:
    """The prediction of one file.

    Args:
        path: the file.
        label: the predicted class; several classes are joined by ``|``; None for segmentation and on an error.
        labels: the predicted classes, one by one.
        probabilities: class name → probability in 0-1; empty for segmentation and on an error.
        mask: uint8 (H, W) class numbers at the image's own size; None for classification and on an error.
        error: why the file could not be decoded; None if it was.
    """

    path: Path
    label: str | None = None
    labels: tuple[str, ...] = ()
    probabilities: dict[str, float] = field(default_factory=dict)
    mask: np.ndarray | None = None
    error: str | None = None

    @property
    def probability(self) -> float | None:
        """The probability of the label; None unless there is exactly one."""
        return self.probabilities[self.labels[0]] if len(self.labels) == 1 else None
