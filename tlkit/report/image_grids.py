"""Grids of images with truth and prediction side by side, as the content of PNG files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlkit.report.colors import RIGHT, WRONG, Color, overlay
from tlkit.report.figures import class_legend, drawing, new_figure, shorten, show_image, to_png

_TILE = 2.1
"""Inches per side of a picture of a segmentation."""
_SHARPEST = 150
"""Dots per inch of a page of large images."""


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
    rows = math.ceil(len(images) / columns)
    with drawing():
        figure = new_figure(max(5.0, 2.3 * columns), (2.95 if names else 2.65) * rows + 0.4)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel, each in zip(panels, images, strict=False):
            show_image(panel, each.image)
            for spine in panel.spines.values():
                spine.set(visible=not each.correct, color=WRONG, linewidth=3)
            probability = "" if each.probability is None else f" {100 * each.probability:.0f}%"
            prediction = f"{shorten(each.prediction, 26, middle=True)}{probability}"
            text = prediction if each.correct else f"{prediction}\ntruth: {shorten(each.truth, 24, middle=True)}"
            panel.set_title(text, fontsize=8, color=RIGHT if each.correct else WRONG)
            if names:
                panel.set_xlabel(f"{shorten(each.name, 34, middle=True)}\n{each.loss_name} {each.loss:.3f}", fontsize=7)
        for panel in panels[len(images) :]:
            panel.set_axis_off()
        figure.suptitle(shorten(title, 100), fontsize=11)
        return to_png(figure, dpi=_dots_per_inch(images[0].image))


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
    across = min(across, len(images))
    rows = math.ceil(len(images) / across)
    height, width = images[0].image.shape[:2]
    legend_rows = math.ceil((min(len(classes), 40) + 1) / (2 * across + 1))
    page_width = max(6.5, 3 * across * _TILE)
    page_height = rows * (_TILE * min(2.0, height / width) + 0.3) + 0.5 + 0.2 * legend_rows
    with drawing():
        figure = new_figure(page_width, page_height)
        panels = figure.subplots(rows, 3 * across, squeeze=False)
        for panel in panels.ravel():
            panel.set_axis_off()
        for index, each in enumerate(images):
            row, column = divmod(index, across)
            _show_segmented(panels[row, 3 * column : 3 * column + 3], each, colors)
        figure.suptitle(shorten(title, 100), fontsize=11)
        class_legend(figure, classes, colors, columns=2 * across + 1)
        return to_png(figure, dpi=_dots_per_inch(images[0].image))


def _dots_per_inch(image: np.ndarray) -> int:
    """Return the resolution at which the pixels of an image are shown one by one, within limits."""
    width: int = image.shape[1]
    return min(max(100, round(width / _TILE)), _SHARPEST)


def _show_segmented(panels: Sequence[Any], segmented: SegmentedImage, colors: tuple[Color, ...]) -> None:
    """Show image, truth and prediction in three panels."""
    image = segmented.image
    pictures = (image, overlay(image, segmented.truth, colors), overlay(image, segmented.prediction, colors))
    note = f"{segmented.note}: " if segmented.note else ""
    iou = "" if math.isnan(segmented.iou) else f"  IoU {segmented.iou:.3f}"
    titles = (f"{note}{shorten(segmented.name, 24, middle=True)}", "truth", f"prediction{iou}")
    for panel, picture, text in zip(panels, pictures, titles, strict=True):
        panel.set_axis_on()
        show_image(panel, picture)
        panel.set_title(text, fontsize=7.5)
