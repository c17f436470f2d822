"""Learning curves: of one run for its report, of several in one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from tlkit.report.canvas import ImageKind, drawing, line_colors, new_figure, shorten, to_image, to_png
from tlkit.runs.history import History

Axis = Literal["epochs", "seconds"]

BORDER = "#555555"


def learning_curves(history: History, kept: int = 0, monitor: str = "") -> bytes:
    """A panel for the loss and one for each metric, training and validation in each; borders of phases are lines.

    Args:
        history: of the run.
        kept: the epoch whose weights the run kept, from 1; 0 for none.
        monitor: the column that chose it.
    """
    names = history.metrics or ["loss"]
    index = history.epochs.index(kept) if kept in history.epochs else None
    with drawing():
        figure, panels = _panels(len(names))
        for panel, name in zip(panels, names, strict=True):
            _curve_panel(panel, history, name, index, monitor)
        return to_png(figure)


def _panels(count: int, more_height: float = 0.0) -> tuple[Any, Sequence[Any]]:
    wide = min(3, count)
    high = math.ceil(count / wide)
    figure = new_figure(max(5.0, 4.2 * wide), 3.2 * high + more_height)
    panels = figure.subplots(high, wide, squeeze=False).ravel()
    for panel in panels[count:]:
        panel.set_axis_off()
    return figure, panels[:count]


def _curve_panel(panel: Any, history: History, name: str, kept: int | None, monitor: str) -> None:
    marker = _marker(history)
    for column, label, color in ((name, "training", "#0072b2"), (f"val_{name}", "validation", "#d55e00")):
        values = history.columns.get(column)
        if values is None:
            continue
        y = _drawable(values)
        panel.plot(history.epochs, y, color=color, label=label, marker=marker, markersize=3.5, linewidth=1.6)
        if kept is not None and column == monitor:
            at = f"kept epoch: {history.epochs[kept]} ({y[kept]:.4f})"
            panel.plot([history.epochs[kept]], [y[kept]], "*", color="black", markersize=11, label=at, zorder=5)
    if kept is not None:
        panel.axvline(history.epochs[kept], color="black", linewidth=0.6, alpha=0.35)
    _phase_borders(panel, history)
    _dress(panel, name)
    if panel.get_legend_handles_labels()[0]:
        panel.legend(frameon=False, fontsize=8)


def _drawable(values: Sequence[float]) -> list[float]:
    """What is beyond float32 is left out like infinity: an axis from -1e308 to 1e308 has no length."""
    return [value if abs(value) < 3e38 else math.nan for value in values]


def _marker(history: History) -> str | None:
    """Few epochs are drawn as points too; a single one would not be seen otherwise."""
    return "o" if len(history.epochs) <= 12 else None


def _dress(panel: Any, name: str, x_label: str = "epoch") -> None:
    from matplotlib.ticker import MaxNLocator

    low, high = panel.get_xlim()
    if high - low < 1:  # a single epoch: whole numbers beside it
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
            panel.axvline(epoch - 0.5, color=BORDER, linestyle="--", linewidth=0.9)
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
        color=BORDER,
    )


@dataclass(frozen=True)
class Curve:
    """A run among others in one figure.

    Args:
        label: in the legend.
        history: of the run, with at least one epoch.
        kept: the epoch whose weights the run kept, from 1; None for none.
    """

    label: str
    history: History
    kept: int | None = None

    def x(self, axis: Axis) -> list[float]:
        """Where each epoch is drawn: its number, or the seconds of training at its end."""
        if axis == "epochs":
            return [float(epoch) for epoch in self.history.epochs]
        return list(accumulate(self.history.seconds))

    def borders(self, axis: Axis) -> list[tuple[float, str]]:
        """Where each phase but the first begins, and its name."""
        if axis == "epochs":
            return [(self.history.epochs[i] - 0.5, self.history.phases[i]) for i in self.history.starts[1:]]
        ends = self.x(axis)
        return [(ends[i - 1], self.history.phases[i]) for i in self.history.starts[1:]]


def compared_curves(
    curves: Sequence[Curve], metrics: Sequence[str], axis: Axis = "epochs", kind: ImageKind = "png"
) -> bytes:
    """A panel for each metric with the curves of all runs: training dashed, validation solid, a colour a run.

    Borders of phases are dotted lines, grey where runs share them, else in the run's colour. A loss whose values
    span more than two powers of ten is drawn on a logarithmic axis.

    Args:
        curves: of the runs, at least one.
        metrics: names without ``val_``, at least one; a run without the metric has no curve in its panel.
        axis: what the curves are drawn over.
        kind: of the file.

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
                _compared(panel, curve, name, axis, color)
            _compared_borders(panel, drawn, axis)
            _dress(panel, name, "epoch" if axis == "epochs" else "seconds of training")
            if name == "loss" and _span(curves, name) > 100:
                panel.set_yscale("log")
                panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        _legends(figure, panels[0], list(zip(shown, colors, strict=True)), across)
        return to_image(figure, kind)


def _compared(panel: Any, curve: Curve, name: str, axis: Axis, color: str) -> None:
    x, history = curve.x(axis), curve.history
    styles = ((name, "--", 1.1, 0.75), (f"val_{name}", "-", 1.8, 1.0))
    for column, style, width, alpha in styles:
        values = history.columns.get(column)
        if values is not None:
            y = _drawable(values)
            panel.plot(x, y, style, color=color, linewidth=width, alpha=alpha, marker=_marker(history), markersize=3)
    values = history.columns.get(f"val_{name}", history.columns.get(name))
    if curve.kept in history.epochs and values is not None:
        at = history.epochs.index(curve.kept)
        panel.plot([x[at]], _drawable([values[at]]), "*", color=color, markeredgecolor="black", markersize=11, zorder=5)


def _compared_borders(panel: Any, curves: Sequence[tuple[Curve, str]], axis: Axis) -> None:
    found: dict[float, list[tuple[str, str]]] = {}
    for curve, color in curves:
        for x, name in curve.borders(axis):
            found.setdefault(x, []).append((name, color))
    left, right = panel.get_xlim()
    free = left
    for x, here in sorted(found.items()):
        panel.axvline(x, color=here[0][1] if len(here) == 1 else BORDER, linestyle=":", linewidth=1.1)
        names = {name for name, _ in here}
        if len(names) == 1 and x >= free:
            _phase_name(panel, names.pop(), x)
            free = x + 0.3 * (right - left)


def _span(curves: Sequence[Curve], name: str) -> float:
    """The greatest value divided by the least; 1 where one is not positive."""
    columns = [curve.history.columns.get(each, ()) for curve in curves for each in (name, f"val_{name}")]
    values = [value for column in columns for value in _drawable(column) if math.isfinite(value)]
    return max(values) / min(values) if values and min(values) > 0 else 1.0


def _legends(figure: Any, panel: Any, runs: Sequence[tuple[str, str]], across: int) -> None:
    from matplotlib.lines import Line2D

    grey: dict[str, Any] = {"color": BORDER}
    styles = [
        Line2D([], [], linestyle="--", linewidth=1.1, label="training", **grey),
        Line2D([], [], linewidth=1.8, label="validation", **grey),
        Line2D([], [], linestyle="", marker="*", markersize=10, label="kept epoch", **grey),
    ]
    panel.legend(handles=styles, frameon=False, fontsize=7)
    handles = [Line2D([], [], color=color, linewidth=2.5, label=label) for label, color in runs]
    figure.legend(handles=handles, loc="outside lower center", ncols=across, frameon=False, fontsize=8)
