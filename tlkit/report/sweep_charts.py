"""The charts of a sweep, prepared for a page: the metric over each key's values, and over the epochs of each trial."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlkit.recipe.sweep_table import Dimension, Range
from tlkit.runs.sweeps import Trial
from tlkit.system.text import shorten

WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT, TOP = 320.0, 200.0, 46.0, 34.0, 10.0, 10.0
"""The size of a chart, and its margins."""
_SPREAD = 0.25
"""How far the points of a value of an array lie apart, as a share of its place."""
_ROBUST = 0.1
"""The share of the worst values that may lie outside a chart, so that they don't hide the others."""


@dataclass(frozen=True)
class Tick:
    """A mark at an axis.

    Args:
        at: where, in the chart's units.
        text: what it says.
    """

    at: float
    text: str


@dataclass(frozen=True)
class Point:
    """A trial in a chart.

    Args:
        x: where, from the left.
        y: where, from the top.
        state: what became of the trial.
        best: whether it is the best.
        title: what it says, in words.
    """

    x: float
    y: float
    state: str
    best: bool
    title: str


@dataclass(frozen=True)
class Scatter:
    """The metric of all trials over the values of a key.

    Args:
        key: the dotted key.
        share: the share of the metric's variance that it explains; None if it is not known.
        points: the trials, the best last.
        x_ticks: the values.
        y_ticks: values of the metric.
    """

    key: str
    share: float | None
    points: list[Point]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


@dataclass(frozen=True)
class Line:
    """The metric of a trial over its epochs.

    Args:
        path: an SVG path.
        state: what became of the trial.
        best: whether it is the best.
        title: what it says, in words.
    """

    path: str
    state: str
    best: bool
    title: str


@dataclass(frozen=True)
class Curves:
    """The metric of all trials over their epochs.

    Args:
        lines: the trials, the best last.
        x_ticks: epochs.
        y_ticks: values of the metric.
    """

    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


class _Scale:
    """A scale from values to a chart's units.

    Args:
        low: the smallest value.
        high: the largest.
        start: where the smallest is.
        end: where the largest is.
        log: whether powers of ten are as far apart as each other.
    """

    def __init__(self, low: float, high: float, start: float, end: float, *, log: bool = False) -> None:
        self._log = log
        self._low, self._high = (math.log10(low), math.log10(high)) if log else (low, high)
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """Return where a value is; one outside lies at the edge."""
        place = math.log10(max(value, 1e-300)) if self._log else value
        share = (place - self._low) / (self._high - self._low) if self._high > self._low else 0.5
        return round(self._start + min(1.0, max(0.0, share)) * (self._end - self._start), 2)

    def ticks(self) -> list[Tick]:
        """Return marks at round values."""
        if self._log and self._high - self._low >= 1:
            values = [10.0**power for power in range(math.ceil(self._low - 1e-9), math.floor(self._high + 1e-9) + 1)]
        elif self._log:
            values = [10**self._low, 10**self._high]
        else:
            values = _round_values(self._low, self._high)
        return [Tick(self.at(each), f"{each:.4g}") for each in values]


def _round_values(low: float, high: float) -> list[float]:
    """Return three to six round values from low to high."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10(high - low))
    step = next(each * power for each in (0.2, 0.5, 1.0, 2.0) if (high - low) / (each * power) <= 5.5)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def scatters(
    space: Mapping[str, Dimension], trials: Sequence[Trial], shares: Mapping[str, float], *, smaller: bool
) -> list[Scatter]:
    """Return a chart for each key, those that matter most first.

    Args:
        space: key → what was tried.
        trials: the trials, the best first.
        shares: key → the share of the metric's variance that it explains.
        smaller: whether smaller values of the metric are better.
    """
    shown = [each for each in trials if each.value is not None and each.state != "failed"]
    if not shown:
        return []
    scale = _metric_scale([each.value for each in shown if each.value is not None], smaller=smaller)
    keys = sorted(space, key=lambda key: -shares.get(key, 0.0))
    return [_scatter(key, space[key], shown, scale, shares.get(key)) for key in keys]


def _scatter(key: str, dimension: Dimension, shown: Sequence[Trial], scale: _Scale, share: float | None) -> Scatter:
    start, end = LEFT, WIDTH - RIGHT
    if isinstance(dimension, Range):
        across = _Scale(dimension.low, dimension.high, start + 6, end - 6, log=dimension.log)
        ticks = across.ticks()
        places = [across.at(each.values.get(key, dimension.low)) for each in shown]
    else:
        texts = [json.dumps(each, default=str) for each in dimension.values]
        width = (end - start) / len(texts)
        ticks = [Tick(start + (n + 0.5) * width, value_text(each, 14)) for n, each in enumerate(dimension.values)]
        ticks = ticks if len(ticks) <= 6 else ticks[:: -(-len(ticks) // 6)]
        places = []
        for trial in shown:
            place = texts.index(json.dumps(trial.values.get(key), default=str))
            aside = ((trial.number * 0.618) % 1 - 0.5) * 2 * _SPREAD
            places.append(round(start + (place + 0.5 + aside) * width, 2))
    points = [
        Point(x, scale.at(each.value or 0.0), each.state, n == 0 and each.state == "finished", _title(each))
        for n, (x, each) in enumerate(zip(places, shown, strict=True))
    ]
    return Scatter(key, share, points[::-1], ticks, scale.ticks())


def curves(trials: Sequence[Trial], *, smaller: bool) -> Curves | None:
    """Return the metric of all trials over their epochs; None if no trial has any.

    Args:
        trials: the trials, the best first.
        smaller: whether smaller values are better.
    """
    shown = [each for each in trials if any(math.isfinite(value) for value in each.epochs.values())]
    if not shown:
        return None
    values = [value for each in shown for value in each.epochs.values() if math.isfinite(value)]
    scale = _metric_scale(values, smaller=smaller)
    last = max(max(each.epochs) for each in shown)
    across = _Scale(1, max(last, 2), LEFT, 2 * WIDTH - RIGHT)
    lines = []
    for trial in shown:
        places = [
            (across.at(epoch), scale.at(value)) for epoch, value in sorted(trial.epochs.items()) if math.isfinite(value)
        ]
        path = "M" + "L".join(f"{x} {y}" for x, y in places)
        if len(places) == 1:
            path += "h3"  # a single point would be invisible
        lines.append(Line(path, trial.state, trial is trials[0] and trial.state == "finished", _title(trial)))
    ticks = [Tick(across.at(each), f"{each:g}") for each in _round_values(1, max(last, 2)) if each == int(each)]
    return Curves(lines[::-1], ticks, scale.ticks())


def _metric_scale(values: Sequence[float], *, smaller: bool) -> _Scale:
    """Return the scale of the metric, upwards; a few of the worst values may lie at its edge."""
    ordered = sorted(values, reverse=not smaller)
    best, worst = ordered[0], ordered[math.ceil((1 - _ROBUST) * len(ordered)) - 1]
    if abs(ordered[-1] - best) <= 3 * abs(worst - best):
        worst = ordered[-1]
    low, high = min(best, worst), max(best, worst)
    aside = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return _Scale(low - aside, high + aside, HEIGHT - BOTTOM, TOP)


def value_text(value: Any, length: int = 60) -> str:
    """Return a value that was tried as a page shows it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return shorten(value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False), length)


def _title(trial: Trial) -> str:
    values = ", ".join(f"{key} {value_text(value)}" for key, value in trial.values.items())
    return f"trial {trial.number}: {'' if trial.value is None else f'{trial.value:.4g}'} ({values})"
