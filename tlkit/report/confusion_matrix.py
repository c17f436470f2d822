"""Confusion matrices, as the content of PNG files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tlkit.report.figures import drawing, new_figure, shorten, to_png

_MAX_SIDE = 40.0
"""Length in inches of a side of the matrix, which then has a pixel per class up to 3,600 classes."""


def confusion_matrix(confusion: np.ndarray, classes: Sequence[str], title: str = "") -> bytes:
    """Draw a confusion matrix: truth in rows, prediction in columns; the shade is the share of the row.

    Args:
        confusion: int (classes, classes).
        classes: class names.
        title: the title of the picture.
    """
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    return _matrix(shares, confusion, classes, classes, title, "prediction")


def label_counts(truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str], title: str = "") -> bytes:
    """Draw true and false positives and negatives per class; multi-label data has no confusion matrix.

    Args:
        truth: bool or 0/1 (N, classes).
        predicted: bool or 0/1 (N, classes).
        classes: class names.
        title: the title of the picture.
    """
    truth, predicted = truth.astype(bool), predicted.astype(bool)
    outcomes = {
        "true positive": truth & predicted,
        "false negative": truth & ~predicted,
        "false positive": ~truth & predicted,
        "true negative": ~truth & ~predicted,
    }
    counts = np.stack([each.sum(0) for each in outcomes.values()], 1)
    shares = counts / max(len(truth), 1)
    return _matrix(shares, counts, classes, tuple(outcomes), title, "")


def _matrix(
    shares: np.ndarray, counts: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str, x_label: str
) -> bytes:
    height, width = counts.shape
    cell = 0.62 if height <= 15 else 0.36 if height <= 45 else 0.16
    label = 28 if height > 15 else 20
    margin = 0.5 + 0.075 * min(label, max(len(name) for name in rows))
    with drawing():
        # For thousands of classes, cells of a fixed size would need more memory than there is.
        across, down = (min(cell * count, _MAX_SIDE) for count in (width, height))
        figure = new_figure(max(3.6, margin + across + 0.9), max(2.8, margin + down + 0.5))
        panel = figure.subplots()
        image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal" if width == height else "auto")
        if height <= 45:
            _numbers(panel, shares, counts, small=height > 15)
        size = 9 if height <= 15 else 7 if height <= 45 else 5
        every = math.ceil(height / 120)
        ticks = range(0, height, every)
        panel.set_yticks(list(ticks), [shorten(rows[i], label, middle=True) for i in ticks], fontsize=size)
        ticks = range(0, width, every)
        names = [shorten(columns[i], label, middle=True) for i in ticks]
        slanted = width > 6 or max(len(name) for name in names) > 7
        panel.set_xticks(list(ticks), names, fontsize=size, rotation=90 if slanted else 0)
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
        panel.set_ylabel("truth" if x_label else "class")
        panel.set_xlabel(x_label)
        panel.set_title(shorten(title, 60))
        bar = figure.colorbar(image, ax=panel, shrink=0.6, aspect=25, pad=0.02)
        bar.set_label("share of the row", fontsize=8)
        bar.outline.set_visible(False)
        return to_png(figure, dpi=110 if height <= 45 else 90)


def _numbers(panel: Any, shares: np.ndarray, counts: np.ndarray, *, small: bool) -> None:
    for row in range(counts.shape[0]):
        for column in range(counts.shape[1]):
            if not counts[row, column]:
                continue
            share = f"{100 * shares[row, column]:.0f}%"
            text = compact(int(counts[row, column])) if small else f"{share}\n{compact(int(counts[row, column]))}"
            color = "white" if shares[row, column] > 0.55 else "black"
            number = panel.text(column, row, text, ha="center", va="center", color=color, fontsize=6 if small else 7.5)
            number.set_in_layout(False)  # it lies in its cell; measuring thousands would take longer than drawing them


def compact(number: int) -> str:
    """Return a count in at most five characters: 1234 → 1234, 12345 → 12k, 1234567 → 1.2M."""
    if number < 10_000:
        return str(number)
    for limit, divisor, unit in ((10**6, 10**3, "k"), (10**9, 10**6, "M"), (10**12, 10**9, "G")):
        if number < limit:
            value = number / divisor
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return f"{number:.0e}"
