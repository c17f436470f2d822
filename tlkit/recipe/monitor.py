"""Choose the column of ``metrics.csv`` that decides which epoch is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tlkit.contracts import Task
from tlkit.errors import Problem, RecipeError
from tlkit.recipe.schema import TrainTable
from tlkit.system.text import did_you_mean

_SMALLER = ("loss", "error", "mse", "mae", "entropy", "hinge", "divergence", "poisson", "false_")
_LARGER = ("accuracy", "iou", "io_u", "auc", "precision", "recall", "score", "correlation", "similarity", "true_")


@dataclass(frozen=True)
class Monitor:
    """A column of ``metrics.csv``, and whether smaller or larger values are better.

    Args:
        name: the name of the column.
        mode: "min" if smaller values are better, "max" if larger ones are.
    """

    name: str
    mode: Literal["min", "max"]

    def better(self, value: float, than: float | None, min_delta: float = 0.0) -> bool:
        """Return whether ``value`` improves on ``than`` by more than ``min_delta``; NaN never does."""
        if math.isnan(value):
            return False
        if than is None:
            return True
        return value < than - min_delta if self.mode == "min" else value > than + min_delta


def choose_monitor(table: TrainTable, task: Task, columns: Sequence[str]) -> Monitor:
    """Return the monitor that ``[train]`` asks for.

    Args:
        table: the recipe's ``[train]`` table.
        task: the recipe's task.
        columns: the columns of ``metrics.csv``.

    Raises:
        RecipeError: there is no such column, or its name does not say whether smaller or larger values are better.
    """
    name = table.monitor
    if name == "auto":
        preferred = ("val_loss",) if task == "classification" else ("val_mean_iou", "val_loss")
        name = next((each for each in preferred if each in columns), "loss")
    elif name not in columns:
        hint = did_you_mean(name, columns, otherwise=".")
        message = f'no metric "{name}"{hint} This run has {", ".join(columns)}'
        raise RecipeError([Problem("train.monitor", message)])
    if table.mode != "auto":
        return Monitor(name, table.mode)
    if any(part in name for part in _SMALLER):
        return Monitor(name, "min")
    if any(part in name for part in _LARGER):
        return Monitor(name, "max")
    message = f'can\'t tell from its name whether less or more of "{name}" is better; expected "min" or "max"'
    raise RecipeError([Problem("train.mode", message)])
