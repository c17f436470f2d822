"""The plot of a learning-rate range test."""

from __future__ import annotations

import numpy as np

from tlkit.report.colors import BLUE, ORANGE
from tlkit.report.figures import drawing, new_figure, shorten, to_png


def learning_rate_plot(
    rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, suggestion: float | None, title: str
) -> bytes:
    """Draw the loss of a range test against the learning rate, on a logarithmic axis.

    The axis of the loss ends a little above the initial smoothed loss, however large the loss becomes later.

    Args:
        rates: (steps,) ascending, greater than 0.
        losses: (steps,) the loss of each batch; need not be finite.
        smoothed: (steps,) the moving mean of the losses; need not be finite.
        suggestion: the learning rate to mark; None for none.
        title: the title of the picture.
    """
    from matplotlib.ticker import LogFormatter, NullFormatter

    rates, losses, smoothed = (np.asarray(each, np.float64) for each in (rates, losses, smoothed))
    with drawing():
        figure = new_figure(6.4, 4.2)
        panel = figure.subplots()
        panel.plot(
            rates, _finite(losses), color=BLUE, alpha=0.3, linewidth=1, marker=".", markersize=2.5, label="batch"
        )
        panel.plot(rates, _finite(smoothed), color=BLUE, linewidth=2.2, label="smoothed")
        if suggestion is not None:
            at = float(np.interp(np.log(suggestion), np.log(rates), smoothed))
            label = f"suggested: {suggestion:.2g} (steepest descent)"
            panel.axvline(suggestion, color=ORANGE, linewidth=0.8, linestyle=":")
            panel.plot([suggestion], [at], "o", color=ORANGE, markersize=9, label=label, zorder=5)
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
    """Return the limits of the loss axis; None if no smoothed loss is finite.

    They cover the smoothed losses up to the minimum and most batches of those steps, but not the divergence after it.
    """
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
