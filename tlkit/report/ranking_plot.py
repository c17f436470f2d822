"""The picture of a ranking of backbones: how good each is over what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tlkit.report.colors import BLUE, GREY, hexadecimal
from tlkit.report.figures import drawing, new_figure, shorten, to_png


@dataclass(frozen=True)
class Point:
    """A backbone in the picture.

    Args:
        title: its name.
        score: its score in 0-1.
        interval: the 95 % interval of the score; None if there is none.
        milliseconds: the time for an image.
        marked: whether it can't be told apart from the best.
    """

    title: str
    score: float
    interval: tuple[float, float] | None
    milliseconds: float
    marked: bool


def ranking_plot(points: Sequence[Point], metric: str, title: str) -> bytes:
    """Draw scores over the time for an image, on a logarithmic axis, as a PNG.

    Args:
        points: the backbones.
        metric: what the score is.
        title: the title of the picture.
    """
    from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter, ScalarFormatter

    with drawing():
        figure = new_figure(7.2, 4.6)
        panel = figure.subplots()
        for each in points:
            color = BLUE if each.marked else hexadecimal(GREY)
            low, high = each.interval or (each.score, each.score)
            bounds = [[max(0.0, each.score - low)], [max(0.0, high - each.score)]]
            panel.errorbar(
                [each.milliseconds], [each.score], yerr=bounds, color=color, fmt="o", capsize=3, markersize=6
            )
            panel.annotate(
                shorten(each.title, 40, middle=True),
                (each.milliseconds, each.score),
                xytext=(7, 4),
                textcoords="offset points",
                fontsize=8,
                color=color,
            )
        times = [each.milliseconds for each in points]
        panel.set_xscale("log")
        panel.set_xlim(min(times) / 1.4, max(times) * 2.4)
        panel.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        panel.set_xlabel("time for an image, in milliseconds")
        panel.set_ylabel(f"{metric.replace('_', ' ')} of a linear head, cross-validated")
        panel.set_title(shorten(title, 80))
        panel.grid(alpha=0.25)
        return to_png(figure)
