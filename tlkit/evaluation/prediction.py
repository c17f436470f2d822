"""The prediction of one image."""

from __future__ import annotations

from collections.abc import Iterator
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
        unknown: whether the image is unlike those that the model knows, if that was asked for; else None.
        p_value: the share of images that the model knows of which one would be at least as unlike them, above 0 and at
            most 1; None like ``unknown``.
        label_set: the labels that hold with the probability that was asked for, the most probable first; None if none
            was.
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
    unknown: bool | None = None
    p_value: float | None = None
    label_set: tuple[str, ...] | None = None
    error: str | None = None
    size: tuple[int, int] | None = None
    tiles: TileLabels | None = None

    @property
    def probability(self) -> float | None:
        """The probability of the label; None unless there is exactly one."""
        return self.probabilities[self.labels[0]] if len(self.labels) == 1 else None


@dataclass(frozen=True)
class DrawnPrediction(Prediction):
    """The prediction of a segmentation whose mask was drawn where it was predicted.

    Args:
        files: the contents of the files that are written of it: the mask and the overlay, as PNG; then it has no
            ``mask``.
    """

    files: tuple[bytes, bytes] = (b"", b"")


def mask_bytes(result: tuple[Prediction, tuple[int, int], np.ndarray | None]) -> int:
    """Return what a predicted mask, and the probabilities of its pixels at the model's size, take in memory."""
    prediction, _, kept = result
    return sum(each.nbytes for each in (prediction.mask, kept) if each is not None)


def texts_of(prediction: Prediction, columns: tuple[str, ...]) -> Iterator[str]:
    """Yield what is said of a prediction, as texts in the order of ``Judgement.columns``."""
    for name in columns:
        if name == "unknown":
            yield "yes" if prediction.unknown else "no"
        elif name == "p_value":
            yield f"{prediction.p_value:.6f}"
        else:
            yield "|".join(prediction.label_set or ())
