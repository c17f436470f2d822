"""What the report shows of the training beside its curves: the phases, their learning rates and their time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tlkit.runs.history import History
from tlkit.system.text import time_text

_WIDTH, _HEIGHT = 600, 60
"""The size of the drawing of the learning rate."""


@dataclass(frozen=True)
class PhaseRow:
    """A phase.

    Args:
        name: its name.
        first: its first epoch, from 1 over all phases.
        last: its last epoch.
        rates: its highest and its last learning rate, as text.
        time: how long it took, as text; empty if unknown.
        x: where it begins in the drawing.
    """

    name: str
    first: int
    last: int
    rates: tuple[str, str]
    time: str
    x: float


@dataclass(frozen=True)
class TrainingPart:
    """The training.

    Args:
        phases: the phases, in order.
        total: how long all of them took, as text; empty if unknown.
        path: the learning rate over the epochs as a path of an SVG of 600 × 60, on a logarithmic scale; empty if it
            is constant.
        highest: the highest learning rate, as text.
        lowest: the lowest one above 0, as text.
    """

    phases: Sequence[PhaseRow]
    total: str
    path: str
    highest: str
    lowest: str


def training_part(history: History | None) -> TrainingPart | None:
    """Return what the report shows of the training; None if there was none."""
    if history is None or not history.epochs:
        return None
    rates = [rate for rate in history.learning_rates if rate > 0 and math.isfinite(rate)]
    highest, lowest = max(rates, default=0.0), min(rates, default=0.0)
    ends = [*history.starts[1:], len(history.epochs)]
    phases = [_phase(history, start, end) for start, end in zip(history.starts, ends, strict=True)]
    seconds = sum(history.seconds)
    path = _path(history.learning_rates, lowest, highest) if highest > lowest else ""
    return TrainingPart(phases, _time(seconds), path, f"{highest:.2g}", f"{lowest:.2g}")


def _phase(history: History, start: int, end: int) -> PhaseRow:
    rates = history.learning_rates[start:end]
    return PhaseRow(
        name=history.phases[start],
        first=history.epochs[start],
        last=history.epochs[end - 1],
        rates=(f"{max(rates):.2g}", f"{rates[-1]:.2g}"),
        time=_time(sum(history.seconds[start:end])),
        x=round(_WIDTH * start / len(history.epochs), 1),
    )


def _path(rates: Sequence[float], lowest: float, highest: float) -> str:
    """Return a line with a step per epoch; a rate of 0 lies on the lowest line."""
    step, span = _WIDTH / len(rates), math.log(highest / lowest)
    places = []
    for number, rate in enumerate(rates):
        share = math.log(rate / lowest) / span if rate > 0 and math.isfinite(rate) else 0.0
        y = _HEIGHT * (1 - share)
        places.append(f"{number * step:.1f} {y:.1f}L{(number + 1) * step:.1f} {y:.1f}")
    return "M" + "L".join(places)


def _time(seconds: float) -> str:
    return time_text(seconds) if seconds > 0 else ""
