"""Which images of a split of a segmentation the report shows, beside their masks and in a table by IoU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.evaluation.outcome import SegmentationOutcome
from tlkit.models.scores import iou_from_counts
from tlkit.report.colors import overlay
from tlkit.report.gallery import thumbnail
from tlkit.report.image_grids import SegmentedImage
from tlkit.report.mask_pictures import difference
from tlkit.runs.card import Card

WORST, MIDDLE, BEST = 6, 2, 4
"""How many images of each kind are shown, if there are more than all of these."""
_SIDE = 192
"""Longer side of a picture, in pixels."""


@dataclass(frozen=True)
class MaskRow:
    """An image in the table of images by IoU.

    Args:
        key: the image's key.
        iou: its mean IoU over the classes that occur in it.
        wrong: the share of its pixels that is wrong.
        worst: the class with the lowest IoU in it, and that IoU.
        loss: its cross-entropy.
    """

    key: str
    iou: float
    wrong: float
    worst: tuple[str, float]
    loss: float


@dataclass(frozen=True)
class MaskFigure:
    """An image beside its masks.

    Args:
        name: the image's key, and whether it is among the best or the worst.
        iou: its mean IoU; None if all its pixels are ignored.
        pictures: title → ``data:`` URL of the image, the truth, the prediction and their difference.
    """

    name: str
    iou: float | None
    pictures: dict[str, str]


def shown_positions(outcome: SegmentationOutcome) -> list[tuple[int, str]]:
    """Return the positions of the images to show, each with a note: the worst by IoU, some of the middle, the best."""
    order = worst_first(outcome)
    if len(order) <= WORST + MIDDLE + BEST:
        return [(int(each), "") for each in order]
    start = (len(order) - MIDDLE) // 2
    parts = (("worst", order[:WORST]), ("median", order[start : start + MIDDLE]), ("best", order[-BEST:]))
    return [(int(each), note) for note, positions in parts for each in positions]


def worst_first(outcome: SegmentationOutcome) -> np.ndarray:
    """Return the positions of the images that have an IoU, the lowest first; of all if none has."""
    known = np.flatnonzero(~np.isnan(outcome.ious))
    return known[np.argsort(outcome.ious[known], kind="stable")] if len(known) else np.arange(len(outcome.rows))


def mask_figure(shown: SegmentedImage, card: Card, background: int | None) -> MaskFigure:
    """Return an image beside its masks and their difference.

    Args:
        shown: the image.
        card: the model's card.
        background: the class that is not tinted; None to tint all.
    """
    image, colors = shown.image, card.colors
    pictures = {
        "image": image,
        "truth": overlay(image, shown.truth, colors, background),
        "prediction": overlay(image, shown.prediction, colors, background),
        "difference": difference(image, shown.truth, shown.prediction, background),
    }
    name = f"{shown.note}: {shown.name}" if shown.note else shown.name
    iou = None if np.isnan(shown.iou) else float(shown.iou)
    return MaskFigure(name, iou, {title: thumbnail(picture, _SIDE) for title, picture in pictures.items()})


def mask_rows(
    outcome: SegmentationOutcome, order: np.ndarray, keys: Sequence[str], classes: Sequence[str]
) -> list[MaskRow]:
    """Return the rows of the table of images by IoU, without those all of whose pixels are ignored.

    Args:
        outcome: the result of evaluating a split.
        order: the positions of the images, in order.
        keys: the key of each image of the split.
        classes: class names.
    """
    rows = []
    for position in order.tolist():
        hits, true, predicted = outcome.pixels[position].astype(np.int64)
        iou = iou_from_counts(hits, true, predicted)
        if np.isnan(iou).all():
            continue
        lowest = int(np.nanargmin(iou))
        wrong = 1 - float(hits.sum() / max(true.sum(), 1))
        worst = classes[lowest], float(iou[lowest])
        rows.append(
            MaskRow(keys[position], float(outcome.ious[position]), wrong, worst, float(outcome.losses[position]))
        )
    return rows
