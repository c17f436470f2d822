"""The folder of a sweep: a run folder per trial, what was tried, and the best recipe."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tlkit.runs.folder import RunFolder

Direction = Literal["minimize", "maximize"]
State = Literal["finished", "pruned", "failed", "running"]


@dataclass(frozen=True)
class SweepFolder:
    """The paths of the folder that ``tlkit sweep`` writes.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe with its table ``[sweep]``; written first."""
        return self.path / "sweep.toml"

    @property
    def journal(self) -> Path:
        """What was tried and what came of it, as Optuna's journal: a JSON document per line."""
        return self.path / "sweep.journal"

    @property
    def page(self) -> Path:
        """The page that compares the trials."""
        return self.path / "sweep.html"

    @property
    def table(self) -> Path:
        """The trials as a table."""
        return self.path / "sweep.csv"

    @property
    def best(self) -> Path:
        """The recipe of the best trial."""
        return self.path / "best.toml"

    def trial(self, number: int) -> RunFolder:
        """Return the run folder of a trial, counted from 1."""
        return RunFolder(self.path / f"trial-{number:03d}")

    def trial_recipe(self, number: int) -> Path:
        """Return the recipe of a trial."""
        return self.path / f"trial-{number:03d}.toml"

    def log(self, number: int) -> Path:
        """Return what the process of a trial printed."""
        return self.path / f"trial-{number:03d}.log"


@dataclass(frozen=True)
class Trial:
    """A trial of a sweep.

    Args:
        number: its number, from 1.
        state: what became of it.
        values: dotted key of the recipe → the value that was tried.
        value: the metric at its best epoch; None if it has none.
        epochs: epoch → the metric.
        seconds: how long it took.
        reason: why it failed; empty if it didn't.
    """

    number: int
    state: State
    values: Mapping[str, Any]
    value: float | None = None
    epochs: Mapping[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""


def best(values: Iterable[float], direction: Direction) -> float | None:
    """Return the best of some values that is finite; None if none is."""
    finite = [each for each in values if math.isfinite(each)]
    if not finite:
        return None
    return float(min(finite) if direction == "minimize" else max(finite))


def ranked(trials: Sequence[Trial], direction: Direction) -> list[Trial]:
    """Return trials from the best to the worst: finished ones, pruned ones, and those without a value."""
    order = {"finished": 0, "running": 1, "pruned": 1, "failed": 2}
    sign = 1 if direction == "minimize" else -1

    def key(trial: Trial) -> tuple[int, float, int]:
        value = math.inf if trial.value is None else sign * trial.value
        return order[trial.state], value, trial.number

    return sorted(trials, key=key)
