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
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

    with drawing():
        figure = new_figure(7.2, 4.6 + 0.1 * len(points))
        panel = figure.subplots()
        for number, each in enumerate(points, 1):
            color = BLUE if each.marked else hexadecimal(GREY)
            low, high = each.interval or (each.score, each.score)
            bounds = [[max(0.0, each.score - low)], [max(0.0, high - each.score)]]
            panel.errorbar(
                each.milliseconds,
                each.score,
                yerr=bounds,
                color=color,
                fmt="o",
                capsize=3,
                markersize=6,
                label=f"{number}  {shorten(each.title, 44, middle=True)}",
            )
            place = (each.milliseconds, each.score)
            panel.annotate(str(number), place, xytext=(6, 3), textcoords="offset points", fontsize=9, color=color)
        times = [each.milliseconds for each in points]
        panel.set_xscale("log")
        panel.set_xlim(min(times) / 1.6, max(times) * 1.6)
        panel.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panel.set_xlabel("time for an image, in milliseconds")
        panel.set_ylabel(f"{metric.replace('_', ' ')} of a linear head, cross-validated")
        panel.set_title(shorten(title, 80))
        panel.grid(alpha=0.25)
        colors = "blue: the best, and those that can't be told apart from it"
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8, title=colors, title_fontsize=8)
        return to_png(figure)
