"""Compare masks with predictions, and put into words where they disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlkit.evaluation.logits import Logits
from tlkit.evaluation.outcome import Outcome, SegmentationOutcome
from tlkit.evaluation.segmentation import mask_lookup
from tlkit.models.scores import iou_from_counts
from tlkit.report.colors import background_class, hexadecimal, overlay
from tlkit.report.label_table import JudgedLabel
from tlkit.report.labels_page import MASK
from tlkit.runs.card import Card

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

_FENCE = 1.5
"""Interquartile ranges below the first quartile from which an IoU is an outlier (Tukey 1977)."""


class MaskJudge:
    """Collects the evaluations of images, and orders them by how much mask and prediction disagree.

    Args:
        card: the card of the models.
        data: the opened data.
    """

    def __init__(self, card: Card, data: Data) -> None:
        self._card = card
        self._data = data
        self._found: dict[int, tuple[float, np.ndarray, Logits]] = {}

    @property
    def legend(self) -> tuple[tuple[str, str], ...]:
        """Class → its colour, as ``#rrggbb``."""
        return tuple(
            (name, hexadecimal(color)) for name, color in zip(self._card.classes, self._card.colors, strict=True)
        )

    def add(self, outcome: Outcome, logits: Logits) -> None:
        """Add the evaluation of images.

        Args:
            outcome: the evaluation.
            logits: gives the logits that were evaluated.
        """
        assert isinstance(outcome, SegmentationOutcome)
        for row, iou, pixels in zip(outcome.rows.tolist(), outcome.ious.tolist(), outcome.pixels, strict=True):
            if not np.isnan(iou):
                self._found[row] = iou, pixels, logits

    def images(self) -> list[JudgedLabel]:
        """Return the images, those first whose mask and prediction disagree most."""
        ious = np.array([iou for iou, _, _ in self._found.values()])
        if not len(ious):
            return []
        lower, upper = np.quantile(ious, [0.25, 0.75])
        fence = lower - _FENCE * (upper - lower)
        return [
            JudgedLabel(
                row=row,
                key=self._data.samples[row].key,
                split=self._data.splits[row],
                label="",
                suggested="",
                score=iou,
                findings=(MASK,) if iou < fence else (),
                detail=self._worst(pixels) if iou < fence else "",
            )
            for row, (iou, pixels, _) in sorted(self._found.items(), key=lambda each: each[1][0])
        ]

    def _worst(self, pixels: np.ndarray) -> str:
        """Return the class of which mask and prediction disagree most, in words.

        Args:
            pixels: uint32 (3, classes): the pixels that have the class in both, in the mask, and in the prediction.
        """
        hits, true, predicted = pixels.astype(np.float64)
        ious = np.nan_to_num(iou_from_counts(hits, true, predicted), nan=1.0)
        number = int(((1 - ious) * np.sqrt(true + predicted)).argmax())  # neither a few pixels nor most of them
        iou = float(ious[number])
        share = 1 / max(1.0, float(true.sum()))
        return (
            f"{self._card.classes[number]}: IoU {iou:.2f}, {true[number] * share:.0%} of the mask, "
            f"{predicted[number] * share:.0%} of the prediction"
        )

    def pictures(self, judged: JudgedLabel) -> list[tuple[str, np.ndarray]]:
        """Return an image, and its mask and its prediction drawn over it, uint8 (H, W, 3) each, with their names."""
        masks = self._data.store.masks
        assert masks is not None
        image, row = np.asarray(self._data.store.images[judged.row]), np.array([judged.row])
        truth = mask_lookup(tuple(self._data.classes), self._card)[np.asarray(masks[judged.row])]
        logits = next(iter(self._found[judged.row][2].batches(row)))[0]
        predicted = logits.argmax(-1).astype(np.uint8)
        drawn = {"mask": truth, "prediction": predicted}
        background = background_class(self._card.classes)
        over = ((name, overlay(image, each, self._card.colors, background)) for name, each in drawn.items())
        return [("image", image), *over]
