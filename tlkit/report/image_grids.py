"""Grids of images with truth and prediction side by side, as the content of PNG files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tlkit.report.colors import RIGHT, WRONG, Color, background_class, overlay
from tlkit.report.figures import MAX_LEGEND, class_legend, drawing, shorten
from tlkit.report.photo_sheet import TILE, PhotoSheet

_GAP = 0.14
"""Inches between images."""
_NARROW = 0.05
"""Inches between an image and its masks."""
_LINE = 0.17
"""Inches that a line above an image takes."""


@dataclass(frozen=True)
class ClassifiedImage:
    """An image with its labels.

    Args:
        image: uint8 (H, W, 3).
        name: the file's name.
        truth: the true label or labels.
        prediction: the predicted label or labels.
        correct: True if they are the same.
        probability: the probability of the predicted label; None if there is not exactly one.
        loss: the sample's loss.
        loss_name: what to call it.
    """

    image: np.ndarray
    name: str
    truth: str
    prediction: str
    correct: bool
    probability: float | None
    loss: float
    loss_name: str = "loss"


@dataclass(frozen=True)
class SegmentedImage:
    """An image with its masks.

    Args:
        image: uint8 (H, W, 3).
        name: the file's name.
        truth: uint8 (H, W) class numbers and ``IGNORE``.
        prediction: uint8 (H, W) class numbers.
        iou: the image's mean IoU; NaN if unknown.
        note: a remark such as ``worst``; may be empty.
    """

    image: np.ndarray
    name: str
    truth: np.ndarray
    prediction: np.ndarray
    iou: float
    note: str = ""


def classified_page(images: Sequence[ClassifiedImage], title: str, *, names: bool = False, columns: int = 5) -> bytes:
    """Draw images in a grid with prediction and probability; wrong ones have a red frame and the truth.

    Args:
        images: at least one.
        title: the title of the page.
        names: also write file names and losses.
        columns: the number of images per row.
    """
    columns = min(columns, len(images))
    sheet = PhotoSheet(images[0].image)
    width = max(5.0, columns * (TILE + _GAP) + _GAP)
    y = _title(sheet, title, width)
    for first in range(0, len(images), columns):
        row = images[first : first + columns]
        y += _LINE if all(each.correct for each in row) else 2 * _LINE
        for number, each in enumerate(row):
            x = (width - columns * (TILE + _GAP)) / 2 + (number + 0.5) * (TILE + _GAP)
            sheet.photo(x, y, each.image, None if each.correct else WRONG)
            sheet.text(x, y - 0.085, _labels(each), 8, RIGHT if each.correct else WRONG, above=True)
            if names:
                file = f"{shorten(each.name, 34, middle=True)}\n{each.loss_name} {each.loss:.3f}"
                sheet.text(x, y + sheet.photo_size[1] + 0.06, file, 7)
        y += sheet.photo_size[1] + (0.4 if names else 0.16)
    with drawing():
        return sheet.png(width, y)


def _labels(image: ClassifiedImage) -> str:
    probability = "" if image.probability is None else f" {100 * image.probability:.0f}%"
    prediction = f"{shorten(image.prediction, 26, middle=True)}{probability}"
    return prediction if image.correct else f"{prediction}\ntruth: {shorten(image.truth, 24, middle=True)}"


def _title(sheet: PhotoSheet, title: str, width: float) -> float:
    """Write the title of a page, and return where the rest begins."""
    sheet.text(width / 2, 0.06, shorten(title, 100), 11)
    return 0.32


def segmented_page(
    images: Sequence[SegmentedImage], title: str, classes: Sequence[str], colors: tuple[Color, ...], *, across: int = 2
) -> bytes:
    """Draw image, truth and prediction side by side, with each image's IoU and a legend of the classes.

    Args:
        images: at least one.
        title: the title of the page.
        classes: class names.
        colors: the colour of each class.
        across: the number of images per row, three pictures each.
    """
    across, background = min(across, len(images)), background_class(classes)
    sheet = PhotoSheet(images[0].image)
    width = max(6.5, 3 * across * (TILE + _NARROW) + across * _GAP)
    y = _title(sheet, title, width)
    for first in range(0, len(images), across):
        y += _LINE
        for number, each in enumerate(images[first : first + across]):
            left = (width - across * (3 * (TILE + _NARROW) + _GAP) + _GAP) / 2 + number * (3 * (TILE + _NARROW) + _GAP)
            for place, (picture, text) in enumerate(_pictures(each, colors, background)):
                x = left + (place + 0.5) * (TILE + _NARROW)
                sheet.photo(x, y, picture)
                sheet.text(x, y - 0.08, text, 7.5, above=True)
        y += sheet.photo_size[1] + 0.12
    columns = 2 * across + 1
    y += 0.2 * math.ceil((min(len(classes), MAX_LEGEND) + 2) / columns) + 0.1
    with drawing():
        return sheet.png(width, y, lambda figure: class_legend(figure, classes, colors, columns, outside=False))


def _pictures(
    segmented: SegmentedImage, colors: tuple[Color, ...], background: int | None
) -> list[tuple[np.ndarray, str]]:
    """Return image, truth and prediction, each with its title."""
    image = segmented.image
    note = f"{segmented.note}: " if segmented.note else ""
    iou = "" if math.isnan(segmented.iou) else f"  IoU {segmented.iou:.3f}"
    return [
        (image, f"{note}{shorten(segmented.name, 24, middle=True)}"),
        (overlay(image, segmented.truth, colors, background), "truth"),
        (overlay(image, segmented.prediction, colors, background), f"prediction{iou}"),
    ]
