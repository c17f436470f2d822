"""What a phase looks at after each epoch: best weights, early stop, plateau."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tlkit.contracts import EarlyStop, Plateau, Task
from tlkit.errors import Problem, RecipeError
from tlkit.recipe.schema import TrainTable
from tlkit.registry import nearest


@dataclass(frozen=True)
class Monitor:
    """A column of ``metrics.csv`` and which way is better.

    Args:
        name: the column.
        mode: whether less or more is better.
    """

    name: str
    mode: Literal["min", "max"]

    def better(self, value: float, than: float | None, min_delta: float = 0.0) -> bool:
        """Whether ``value`` improves on ``than`` by more than ``min_delta``; NaN never does."""
        if math.isnan(value):
            return False
        if than is None:
            return True
        return value < than - min_delta if self.mode == "min" else value > than + min_delta


def choose_monitor(table: TrainTable, task: Task, columns: Sequence[str]) -> Monitor:
    """The monitor that ``[train]`` asks for.

    Args:
        table: the recipe's ``[train]``.
        task: of the recipe.
        columns: the columns that an epoch has.

    Raises:
        RecipeError: there is no such column.
    """
    name = table.monitor
    if name == "auto":
        preferred = ("val_loss",) if task == "classification" else ("val_mean_iou", "val_loss")
        name = next((each for each in preferred if each in columns), "loss")
    elif name not in columns:
        near = nearest(name, columns)
        hint = f'; did you mean "{near}"?' if near else ""
        listed = ", ".join(columns)
        raise RecipeError([Problem("train.monitor", f'no metric "{name}"{hint} This run has {listed}')])
    if table.mode != "auto":
        return Monitor(name, table.mode)
    less = "loss" in name or "error" in name or name.endswith(("mse", "mae", "crossentropy", "entropy"))
    return Monitor(name, "min" if less else "max")


@dataclass
class Patience:
    """Counts epochs without an improvement. Its fields are all of its state."""

    patience: int
    min_delta: float
    best: float | None = None
    waited: int = 0

    def exhausted(self, monitor: Monitor, value: float) -> bool:
        """Take an epoch's value; true when ``patience`` epochs in a row brought no improvement."""
        if monitor.better(value, self.best, self.min_delta):
            self.best, self.waited = value, 0
            return False
        self.waited += 1
        return self.waited >= self.patience


@dataclass
class Watch:
    """Everything that a phase decides on after an epoch."""

    monitor: Monitor
    early_stop: EarlyStop | None
    plateau: Plateau | None
    best_value: float | None = None
    best_epoch: int = -1
    _stop: Patience | None = field(init=False, default=None)
    _plateau: Patience | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.early_stop is not None:
            self._stop = Patience(self.early_stop.patience, self.early_stop.min_delta)
        if self.plateau is not None:
            self._plateau = Patience(self.plateau.patience, self.plateau.min_delta)

    def epoch(self, epoch: int, value: float) -> tuple[bool, bool, bool]:
        """Take an epoch's value.

        Returns:
            whether it is the best so far, whether to stop, whether to lower the rate.
        """
        best = self.monitor.better(value, self.best_value)
        if best:
            self.best_value, self.best_epoch = value, epoch
        stop = self._stop is not None and self._stop.exhausted(self.monitor, value)
        lower = self._plateau is not None and self._plateau.exhausted(self.monitor, value)
        if lower and self._plateau is not None:
            self._plateau.waited = 0
        return best, stop, lower
