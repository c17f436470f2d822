"""Learning curves of one run, and of several runs in one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from tlkit.report.colors import BLUE, ORANGE, line_colors
from tlkit.report.figures import ImageKind, drawing, new_figure, shorten, to_image, to_png
from tlkit.runs.history import History

Axis = Literal["epochs", "seconds"]

_GREY = "#555555"


def learning_curves(history: History, best_epoch: int = 0, monitor: str = "") -> bytes:
    """Draw training and validation curves in one panel per metric, with lines where phases begin.

    Args:
        history: the run's history.
        best_epoch: the epoch whose weights the model has, from 1; 0 for none.
        monitor: the column of the history by which that epoch is the best.
    """
    names = history.metrics or ["loss"]
    best = history.epochs.index(best_epoch) if best_epoch in history.epochs else None
    with drawing():
        figure, panels = _panels(len(names))
        for panel, name in zip(panels, names, strict=True):
            _curve_panel(panel, history, name, best, monitor)
        return to_png(figure)


def _panels(count: int, extra_height: float = 0.0) -> tuple[Any, Sequence[Any]]:
    wide = min(3, count)
    high = math.ceil(count / wide)
    figure = new_figure(max(5.0, 4.2 * wide), 3.2 * high + extra_height)
    panels = figure.subplots(high, wide, squeeze=False).ravel()
    for panel in panels[count:]:
        panel.set_axis_off()
    return figure, panels[:count]


def _curve_panel(panel: Any, history: History, name: str, best: int | None, monitor: str) -> None:
    marker = _marker(history)
    for column, label, color in ((name, "training", BLUE), (f"val_{name}", "validation", ORANGE)):
        values = history.columns.get(column)
        if values is None:
            continue
        y = _drawable(values)
        panel.plot(history.epochs, y, color=color, label=label, marker=marker, markersize=3.5, linewidth=1.6)
        if best is not None and column == monitor:
            label = f"best epoch: {history.epochs[best]} ({y[best]:.4f})"
            panel.plot([history.epochs[best]], [y[best]], "*", color="black", markersize=11, label=label, zorder=5)
    if best is not None:
        panel.axvline(history.epochs[best], color="black", linewidth=0.6, alpha=0.35)
    _phase_borders(panel, history)
    _label_panel(panel, name)
    if panel.get_legend_handles_labels()[0]:
        panel.legend(frameon=False, fontsize=8)


def _drawable(values: Sequence[float]) -> list[float]:
    """Replace values beyond float32, like infinity, by NaN: matplotlib can't scale an axis from -1e308 to 1e308."""
    return [value if abs(value) < 3e38 else math.nan for value in values]


def _marker(history: History) -> str | None:
    """Return the marker of short curves; a curve of a single epoch would be invisible without it."""
    return "o" if len(history.epochs) <= 12 else None


def _label_panel(panel: Any, name: str, x_label: str = "epoch") -> None:
    from matplotlib.ticker import MaxNLocator

    low, high = panel.get_xlim()
    if high - low < 1:  # a single epoch: show its neighbours as ticks
        panel.set_xlim((low + high) / 2 - 1, (low + high) / 2 + 1)
    panel.set_title(shorten(name.replace("_", " "), 40), pad=16)
    panel.set_xlabel(x_label)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    panel.grid(alpha=0.25)


def _phase_borders(panel: Any, history: History) -> None:
    starts = history.starts
    for start in starts:
        epoch = history.epochs[start]
        if start:
            panel.axvline(epoch - 0.5, color=_GREY, linestyle="--", linewidth=0.9)
        if len(starts) > 1:
            _phase_name(panel, history.phases[start], epoch - 0.5 if start else epoch)


def _phase_name(panel: Any, name: str, x: float) -> None:
    panel.annotate(
        shorten(name, 18),
        (x, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(3, 2),
        textcoords="offset points",
        fontsize=7,
        color=_GREY,
    )


@dataclass(frozen=True)
class Curve:
    """The curves of one run in a figure of several.

    Args:
        label: the run's label in the legend.
        history: the run's history, with at least one epoch.
        best_epoch: the epoch whose weights the model has, from 1; None for none.
    """

    label: str
    history: History
    best_epoch: int | None = None

    def x(self, axis: Axis) -> list[float]:
        """Return the position of each epoch: its number, or the seconds of training up to its end."""
        if axis == "epochs":
            return [float(epoch) for epoch in self.history.epochs]
        return list(accumulate(self.history.seconds))

    def borders(self, axis: Axis) -> list[tuple[float, str]]:
        """Return the position where each phase but the first begins, and the phase's name."""
        if axis == "epochs":
            return [(self.history.epochs[i] - 0.5, self.history.phases[i]) for i in self.history.starts[1:]]
        ends = self.x(axis)
        return [(ends[i - 1], self.history.phases[i]) for i in self.history.starts[1:]]


def compared_curves(
    curves: Sequence[Curve], metrics: Sequence[str], axis: Axis = "epochs", kind: ImageKind = "png"
) -> bytes:
    """Draw the curves of several runs in one panel per metric: one colour per run, training dashed, validation solid.

    Dotted lines mark where phases begin, in grey where several runs begin one, else in the run's colour. A loss whose
    values span more than two orders of magnitude is drawn on a logarithmic axis.

    Args:
        curves: the curves of at least one run.
        metrics: at least one name, without ``val_``; a run without the metric has no curve in its panel.
        axis: what the x-axis shows.
        kind: the format of the file.

    Returns:
        the content of the file.
    """
    from matplotlib.ticker import FuncFormatter

    colors = line_colors(len(curves))
    shown = [shorten(curve.label, 48, middle=True) for curve in curves]
    wide = len(metrics) * 4.2
    across = max(1, int(max(wide, 5.0) / (0.075 * max(len(label) for label in shown) + 0.6)))
    with drawing():
        figure, panels = _panels(len(metrics), 0.25 + 0.2 * math.ceil(len(curves) / across))
        for panel, name in zip(panels, metrics, strict=True):
            drawn = [each for each in zip(curves, colors, strict=True) if name in each[0].history.metrics]
            for curve, color in drawn:
                _draw_run(panel, curve, name, axis, color)
            _draw_phase_starts(panel, drawn, axis)
            _label_panel(panel, name, "epoch" if axis == "epochs" else "seconds of training")
            if name == "loss" and _span(curves, name) > 100:
                panel.set_yscale("log")
                panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        _legends(figure, panels[0], list(zip(shown, colors, strict=True)), across)
        return to_image(figure, kind)


def _draw_run(panel: Any, curve: Curve, name: str, axis: Axis, color: str) -> None:
    x, history = curve.x(axis), curve.history
    styles = ((name, "--", 1.1, 0.75), (f"val_{name}", "-", 1.8, 1.0))
    for column, style, width, alpha in styles:
        values = history.columns.get(column)
        if values is not None:
            y = _drawable(values)
            panel.plot(x, y, style, color=color, linewidth=width, alpha=alpha, marker=_marker(history), markersize=3)
    values = history.columns.get(f"val_{name}", history.columns.get(name))
    if curve.best_epoch in history.epochs and values is not None:
        at = history.epochs.index(curve.best_epoch)
        panel.plot([x[at]], _drawable([values[at]]), "*", color=color, markeredgecolor="black", markersize=11, zorder=5)


def _draw_phase_starts(panel: Any, curves: Sequence[tuple[Curve, str]], axis: Axis) -> None:
    borders: dict[float, list[tuple[str, str]]] = {}
    for curve, color in curves:
        for x, name in curve.borders(axis):
            borders.setdefault(x, []).append((name, color))
    left, right = panel.get_xlim()
    free = left
    for x, starts in sorted(borders.items()):
        panel.axvline(x, color=starts[0][1] if len(starts) == 1 else _GREY, linestyle=":", linewidth=1.1)
        names = {name for name, _ in starts}
        if len(names) == 1 and x >= free:
            _phase_name(panel, names.pop(), x)
            free = x + 0.3 * (right - left)


def _span(curves: Sequence[Curve], name: str) -> float:
    """Return the largest value divided by the smallest; 1 if a value is not positive."""
    columns = [curve.history.columns.get(each, ()) for curve in curves for each in (name, f"val_{name}")]
    values = [value for column in columns for value in _drawable(column) if math.isfinite(value)]
    return max(values) / min(values) if values and min(values) > 0 else 1.0


def _legends(figure: Any, panel: Any, runs: Sequence[tuple[str, str]], across: int) -> None:
    from matplotlib.lines import Line2D

    grey: dict[str, Any] = {"color": _GREY}
    styles = [
        Line2D([], [], linestyle="--", linewidth=1.1, label="training", **grey),
        Line2D([], [], linewidth=1.8, label="validation", **grey),
        Line2D([], [], linestyle="", marker="*", markersize=10, label="best epoch", **grey),
    ]
    panel.legend(handles=styles, frameon=False, fontsize=7)
    handles = [Line2D([], [], color=color, linewidth=2.5, label=label) for label, color in runs]
    figure.legend(handles=handles, loc="outside lower center", ncols=across, frameon=False, fontsize=8)
