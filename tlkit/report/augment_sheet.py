"""A sheet of augmented training images with their masks or labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tlkit.contracts import IGNORE
from tlkit.data.feed.pipeline import Feed, batch_seeds
from tlkit.data.feed.policies import Policy
from tlkit.data.run_data import Data
from tlkit.report.colors import background_class, overlay, palette
from tlkit.report.figures import class_legend, drawing, new_figure, shorten, show_image, to_png

_TILE = 1.7
"""Inches per side of an image."""


def augment_sheet(data: Data, policies: Sequence[Policy], *, views: int, seed: int, title: str) -> bytes:
    """Draw one row per image: the original, then one view per epoch; masks are in a row below.

    Args:
        data: the opened data; all its images are shown.
        policies: the recipe's augmentation.
        views: the number of augmented views per image.
        seed: the run's seed.
        title: the title of the sheet.

    Returns:
        the content of a PNG file.
    """
    rows = np.arange(len(data.samples), dtype=np.int64)
    [plain] = Feed(data, len(rows)).epoch(rows)
    feed = Feed(data, len(rows), policies)
    columns = [_arrays(plain)]
    for view in range(views):
        [batch] = feed.epoch(rows, batch_seeds(seed, 0, view, 1))
        columns.append(_arrays(batch))
    with_masks = data.labels is None
    colors = tuple(data.colors.get(n, color) for n, color in enumerate(palette(len(data.classes))))
    background = background_class(data.classes)
    height, width = data.store.images.shape[1:3]
    tile = _TILE * min(2.0, max(0.5, height / width))
    lines = 2 if with_masks else 1
    with drawing():
        size = ((views + 1) * _TILE + 0.2, len(rows) * lines * (tile + (0.1 if with_masks else 0.32)) + 0.9)
        figure = new_figure(*size)
        panels = figure.subplots(len(rows) * lines, views + 1, squeeze=False)
        for column, batch in enumerate(columns):
            for row in rows:
                image = np.rint(batch["images"][row]).astype(np.uint8)
                panel = panels[row * lines, column]
                show_image(panel, image)
                if with_masks:
                    mask = _class_numbers(batch["segmentation_masks"][row])
                    show_image(panels[row * lines + 1, column], overlay(image, mask, colors, background))
                else:
                    panel.set_xlabel(label_shares(batch["labels"][row], data.classes), fontsize=7)
            panels[0, column].set_title("original" if column == 0 else f"view {column}", fontsize=8)
        for row in rows:
            panels[row * lines, 0].set_ylabel(shorten(data.samples[row].key, 22, middle=True), fontsize=6)
        figure.suptitle(shorten(title, 14 * (views + 1)), fontsize=10)
        if with_masks:
            class_legend(figure, data.classes, colors, math.ceil((views + 1) * 1.2), 5 * (views + 1))
        return to_png(figure, dpi=110)


def label_shares(label: Any, classes: Sequence[str]) -> str:
    """Return a label as text: ``cat``, or ``cat 0.70 + dog 0.30`` if it is mixed.

    Args:
        label: a class number, or float32 (classes,).
        classes: class names.
    """
    if np.ndim(label) == 0:
        return shorten(classes[int(label)], 24)
    shares = np.asarray(label, np.float64)
    order = [number for number in np.argsort(-shares, kind="stable")[:3] if shares[number] > 0.005]
    if all(shares[number] > 0.995 for number in order):
        return " + ".join(shorten(classes[number], 16) for number in order) or "none"
    return " + ".join(f"{shorten(classes[number], 12)} {shares[number]:.2f}" for number in order)


def _arrays(batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {key: np.array(value) for key, value in batch.items()}


def _class_numbers(mask: np.ndarray) -> np.ndarray:
    """Return class numbers, uint8 (H, W), from a mask of class numbers (H, W, 1) or of shares (H, W, classes)."""
    if np.issubdtype(mask.dtype, np.integer):
        return np.asarray(mask[..., 0], np.uint8)
    return np.where(mask.sum(-1) < 0.5, IGNORE, mask.argmax(-1)).astype(np.uint8)
