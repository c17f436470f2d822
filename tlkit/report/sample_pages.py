"""Pages of images with truth and prediction side by side, as the bytes of PNG files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlkit.report.canvas import RIGHT, WRONG, drawing, new_figure, overlay, shorten, to_png

Colors = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class ClassifiedImage:
    """An image with its labels.

    Args:
        image: uint8 (H, W, 3).
        name: of the file.
        truth: the right label, or labels.
        prediction: the model's.
        right: whether they are the same.
        probability: of the predicted label, or None.
        loss: the sample's.
    """

    image: np.ndarray
    name: str
    truth: str
    prediction: str
    right: bool
    probability: float | None
    loss: float


@dataclass(frozen=True)
class SegmentedImage:
    """An image with its masks.

    Args:
        image: uint8 (H, W, 3).
        name: of the file.
        truth: uint8 (H, W) class numbers and ``IGNORE``.
        prediction: uint8 (H, W) class numbers.
        iou: the image's mean IoU, NaN when unknown.
        note: such as ``worst``.
    """

    image: np.ndarray
    name: str
    truth: np.ndarray
    prediction: np.ndarray
    iou: float
    note: str = ""


def classified_page(images: Sequence[ClassifiedImage], title: str, *, names: bool = False, columns: int = 5) -> bytes:
    """Images in a grid with truth, prediction and probability; wrong ones are framed red.

    Args:
        images: at least one.
        title: above the page.
        names: whether file names and losses are written too.
        columns: images side by side.
    """
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    with drawing():
        figure = new_figure(max(5.0, 2.3 * columns), (2.95 if names else 2.65) * rows + 0.4)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel, each in zip(panels, images, strict=False):
            _show(panel, each.image)
            for spine in panel.spines.values():
                spine.set(visible=not each.right, color=WRONG, linewidth=3)
            probability = "" if each.probability is None else f" {100 * each.probability:.0f}%"
            answer = f"{shorten(each.prediction, 26)}{probability}"
            text = answer if each.right else f"{answer}\ntruth: {shorten(each.truth, 24)}"
            panel.set_title(text, fontsize=8, color=RIGHT if each.right else WRONG)
            if names:
                panel.set_xlabel(f"{shorten(each.name, 34, middle=True)}\nloss {each.loss:.3f}", fontsize=7)
        for panel in panels[len(images) :]:
            panel.set_axis_off()
        figure.suptitle(shorten(title, 100), fontsize=11)
        return to_png(figure, dpi=100)


def segmented_page(
    images: Sequence[SegmentedImage], title: str, classes: Sequence[str], colors: Colors, *, across: int = 2
) -> bytes:
    """Image, truth and prediction side by side, with the classes' colours, a legend and each image's IoU.

    Args:
        images: at least one.
        title: above the page.
        classes: class names.
        colors: of the classes.
        across: images side by side, three pictures each.
    """
    from matplotlib.patches import Patch

    across = min(across, len(images))
    rows = math.ceil(len(images) / across)
    height, width = images[0].image.shape[:2]
    tile = 2.1
    with drawing():
        legend_rows = math.ceil((min(len(classes), 40) + 1) / (2 * across + 1))
        size = (max(6.5, 3 * across * tile), rows * (tile * min(2.0, height / width) + 0.3) + 0.5 + 0.2 * legend_rows)
        figure = new_figure(*size)
        panels = figure.subplots(rows, 3 * across, squeeze=False)
        for panel in panels.ravel():
            panel.set_axis_off()
        for index, each in enumerate(images):
            row, column = divmod(index, across)
            trio = panels[row, 3 * column : 3 * column + 3]
            pictures = (
                each.image,
                overlay(each.image, each.truth, colors),
                overlay(each.image, each.prediction, colors),
            )
            iou = "" if math.isnan(each.iou) else f"  IoU {each.iou:.3f}"
            note = f"{each.note}: " if each.note else ""
            titles = (f"{note}{shorten(each.name, 24, middle=True)}", "truth", f"prediction{iou}")
            for panel, picture, text in zip(trio, pictures, titles, strict=True):
                panel.set_axis_on()
                _show(panel, picture)
                panel.spines[:].set_visible(False)
                panel.set_title(text, fontsize=7.5)
        figure.suptitle(shorten(title, 100), fontsize=11)
        shown = list(zip(classes, colors, strict=True))[:40]
        handles = [Patch(color="#{:02x}{:02x}{:02x}".format(*color), label=shorten(name, 24)) for name, color in shown]
        if len(classes) > len(shown):
            handles.append(Patch(color="none", label=f"and {len(classes) - len(shown)} more"))
        handles.append(Patch(color="#808080", label="ignored"))
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=min(len(handles), 2 * across + 1),
            frameon=False,
            fontsize=8,
        )
        return to_png(figure, dpi=100)


def _show(panel: Any, image: np.ndarray) -> None:
    panel.imshow(image, interpolation="antialiased")
    panel.set_xticks([])
    panel.set_yticks([])
