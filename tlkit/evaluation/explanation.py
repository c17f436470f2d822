"""The explanation of a prediction: where a model sees a class in an image. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tlkit.evaluation.map_agreement import Agreement

Method = Literal["both", "grad-cam", "occlusion"]


@dataclass(frozen=True)
class Maps:
    """Where a model sees a class in an image.

    Args:
        class_name: the class.
        probability: its probability, 0-1; for segmentation the mean over the pixels that are predicted as it.
        grad_cam: float32 (H, W), 0-1: Grad-CAM, divided by its largest value; of folds, the mean of theirs; None if it
            was not asked for.
        occlusion: float32 (H, W): how much the logarithm of the class's odds falls where the image is covered; below 0
            where covering raises it; None if it was not asked for.
        agreement: how far both agree; None unless there are both.
    """

    class_name: str
    probability: float
    grad_cam: np.ndarray | None
    occlusion: np.ndarray | None
    agreement: Agreement | None


@dataclass(frozen=True)
class Explanation:
    """The explanation of one image.

    Args:
        path: the file; None for an image in memory.
        image: uint8 (H, W, 3), the image as the model sees it.
        size: the (height, width) of the image itself.
        maps: where the model sees the class; None if there is an error.
        error: why the image can't be explained; None if it was.
    """

    path: Path | None
    image: np.ndarray | None = None
    size: tuple[int, int] = (0, 0)
    maps: Maps | None = None
    error: str | None = None
