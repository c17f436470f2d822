"""Confusion matrices and the learning-rate range test, as the bytes of PNG files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tlkit.report.canvas import drawing, new_figure, palette, shorten, to_png

__all__ = ["confusion_matrix", "label_counts", "palette"]


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


def learning_rate_plot(
    rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, suggestion: float | None, title: str
) -> bytes:
    """The loss against the learning rate on a logarithmic axis, as a range test measures it.

    The axis of the loss ends a little above where the smoothed loss began, however far the loss blows up later.

    Args:
        rates: (steps,) rising, greater than 0.
        losses: (steps,) of the batches; need not be finite.
        smoothed: (steps,) their moving mean; need not be finite.
        suggestion: a rate to mark, None for none.
        title: above the picture.
    """
    from matplotlib.ticker import LogFormatter, NullFormatter

    rates, losses, smoothed = (np.asarray(each, np.float64) for each in (rates, losses, smoothed))
    with drawing():
        figure = new_figure(6.4, 4.2)
        panel = figure.subplots()
        panel.plot(
            rates, _finite(losses), color="#0072b2", alpha=0.3, linewidth=1, marker=".", markersize=2.5, label="batch"
        )
        panel.plot(rates, _finite(smoothed), color="#0072b2", linewidth=2.2, label="smoothed")
        if suggestion is not None:
            at = float(np.interp(np.log(suggestion), np.log(rates), smoothed))
            label = f"suggested rate: {suggestion:.2g} (steepest fall)"
            panel.axvline(suggestion, color="#d55e00", linewidth=0.8, linestyle=":")
            panel.plot([suggestion], [at], "o", color="#d55e00", markersize=9, label=label, zorder=5)
        margin = max(1.2, float(rates[-1] / rates[0]) ** 0.04)
        panel.set_xlim(rates[0] / margin, rates[-1] * margin)
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(LogFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        limits = loss_limits(losses, smoothed)
        if limits is not None:
            panel.set_ylim(limits)
        panel.set_xlabel("learning rate")
        panel.set_ylabel("loss of a training batch")
        panel.set_title(shorten(title, 70))
        panel.grid(alpha=0.25)
        panel.legend(frameon=False)
        return to_png(figure)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)


def loss_limits(losses: np.ndarray, smoothed: np.ndarray) -> tuple[float, float] | None:
    """Room for the smoothed losses up to the least and for most batches of those steps, none for the blow-up."""
    known = np.flatnonzero(np.isfinite(smoothed))
    if not len(known):
        return None
    least = known[np.argmin(smoothed[known])]
    low, high = smoothed[least], smoothed[known[known <= least]].max()
    calm = losses[known[smoothed[known] <= high + 0.25 * (high - low)]]
    ends = np.percentile(calm[np.isfinite(calm)], (5, 95)) if np.isfinite(calm).any() else (low, high)
    low, high = min(low, ends[0]), max(high, ends[1])
    room = max(0.15 * (high - low), 0.02 * abs(high), 1e-6)
    return float(low - room), float(high + room)
