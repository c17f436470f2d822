"""Learning curves and confusion matrices, as the bytes of PNG files."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.errors import RunError
from tlkit.evaluate.canvas import drawing, new_figure, palette, shorten, to_png

__all__ = ["History", "confusion_matrix", "label_counts", "learning_curves", "palette", "read_history"]

NOT_METRICS = ("phase", "epoch", "learning_rate", "seconds")


@dataclass(frozen=True)
class History:
    """``metrics.csv``.

    Args:
        phases: the phase of each epoch.
        epochs: from 1 over all phases.
        columns: metric → a value an epoch.
        learning_rates: a value an epoch.
    """

    phases: tuple[str, ...]
    epochs: tuple[int, ...]
    columns: Mapping[str, tuple[float, ...]]
    learning_rates: tuple[float, ...]


def read_history(path: Path) -> History:
    """Read ``metrics.csv``.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
            names = [name for name in (rows[0] if rows else ()) if name not in NOT_METRICS]
        return History(
            tuple(row["phase"] for row in rows),
            tuple(int(row["epoch"]) for row in rows),
            {name: tuple(float(row[name]) for row in rows) for name in names},
            tuple(float(row["learning_rate"]) for row in rows),
        )
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file; the run has not trained, or it was removed") from error
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: not the metrics of a run ({error}); the file is damaged") from error


def learning_curves(history: History, kept: int = 0, monitor: str = "") -> bytes:
    """A panel for the loss and one for each metric, training and validation in each; borders of phases are lines.

    Args:
        history: of the run.
        kept: the epoch whose weights the run kept, from 1; 0 for none.
        monitor: the column that chose it.
    """
    names = [name for name in history.columns if not name.startswith("val_")]
    names = sorted(names, key=lambda name: name != "loss") or ["loss"]
    wide = min(3, len(names))
    high = math.ceil(len(names) / wide)
    index = history.epochs.index(kept) if kept in history.epochs else None
    with drawing():
        figure = new_figure(max(5.0, 4.2 * wide), 3.2 * high)
        panels = figure.subplots(high, wide, squeeze=False).ravel()
        for panel, name in zip(panels, names, strict=False):
            _curve_panel(panel, history, name, index, monitor)
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        return to_png(figure)


def _curve_panel(panel: Any, history: History, name: str, kept: int | None, monitor: str) -> None:
    from matplotlib.ticker import MaxNLocator

    marker = "o" if len(history.epochs) <= 12 else None
    for column, label, color in ((name, "training", "#0072b2"), (f"val_{name}", "validation", "#d55e00")):
        values = history.columns.get(column)
        if values is None:
            continue
        panel.plot(history.epochs, values, color=color, label=label, marker=marker, markersize=3.5, linewidth=1.6)
        if kept is not None and column == monitor:
            at = f"kept epoch: {history.epochs[kept]} ({values[kept]:.4f})"
            panel.plot([history.epochs[kept]], [values[kept]], "*", color="black", markersize=11, label=at, zorder=5)
    if kept is not None:
        panel.axvline(history.epochs[kept], color="black", linewidth=0.6, alpha=0.35)
    _phase_borders(panel, history)
    panel.set_title(shorten(name.replace("_", " "), 40), pad=16)
    panel.set_xlabel("epoch")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    panel.grid(alpha=0.25)
    if panel.get_legend_handles_labels()[0]:
        panel.legend(frameon=False, fontsize=8)


def _phase_borders(panel: Any, history: History) -> None:
    starts = [i for i, phase in enumerate(history.phases) if i == 0 or phase != history.phases[i - 1]]
    for start in starts:
        epoch = history.epochs[start]
        if start:
            panel.axvline(epoch - 0.5, color="#555555", linestyle="--", linewidth=0.9)
        if len(starts) > 1:
            panel.annotate(
                shorten(history.phases[start], 18),
                (epoch - 0.5 if start else epoch, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(3, 2),
                textcoords="offset points",
                fontsize=7,
                color="#555555",
            )


def confusion_matrix(confusion: np.ndarray, classes: Sequence[str], title: str = "") -> bytes:
    """Truth in rows, prediction in columns; the shade is the share of the row, the numbers are counts.

    Args:
        confusion: int (classes, classes).
        classes: class names.
        title: above the picture.
    """
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    return _matrix(shares, confusion, classes, classes, title, "prediction")


def label_counts(truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str], title: str = "") -> bytes:
    """For multi-label classes, which have no confusion matrix: found, missed, false and rightly absent, by class.

    Args:
        truth: bool or 0/1 (N, classes).
        predicted: the same.
        classes: class names.
        title: above the picture.
    """
    truth, predicted = truth.astype(bool), predicted.astype(bool)
    columns = (truth & predicted, truth & ~predicted, ~truth & predicted, ~truth & ~predicted)
    counts = np.stack([each.sum(0) for each in columns], 1)
    shares = counts / max(len(truth), 1)
    return _matrix(shares, counts, classes, ("found", "missed", "false", "rightly absent"), title, "")


def _matrix(
    shares: np.ndarray, counts: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str, x_label: str
) -> bytes:
    height, width = counts.shape
    cell = 0.62 if height <= 15 else 0.36 if height <= 45 else 0.16
    label = 28 if height > 15 else 20
    margin = 0.5 + 0.075 * min(label, max(len(name) for name in rows))
    with drawing():
        figure = new_figure(max(3.6, margin + cell * width + 0.9), max(2.8, margin + cell * height + 0.5))
        panel = figure.subplots()
        image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal" if width == height else "auto")
        if height <= 45:
            _numbers(panel, shares, counts, small=height > 15)
        size = 9 if height <= 15 else 7 if height <= 45 else 5
        every = math.ceil(height / 120)
        ticks = range(0, height, every)
        panel.set_yticks(list(ticks), [shorten(rows[i], label) for i in ticks], fontsize=size)
        ticks = range(0, width, every)
        names = [shorten(columns[i], label) for i in ticks]
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
            panel.text(column, row, text, ha="center", va="center", color=color, fontsize=6 if small else 7.5)


def compact(number: int) -> str:
    """A count in at most five characters: 1234 → 1234, 12345 → 12k, 1234567 → 1.2M."""
    if number < 10_000:
        return str(number)
    for limit, divisor, unit in ((10**6, 10**3, "k"), (10**9, 10**6, "M"), (10**12, 10**9, "G")):
        if number < limit:
            value = number / divisor
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return f"{number:.0e}"
