"""Which column of ``metrics.csv`` a recipe looks at, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tlkit.contracts import Task
from tlkit.errors import Problem, RecipeError
from tlkit.recipe.schema import TrainTable
from tlkit.system.text import nearest

_LESS = ("loss", "error", "mse", "mae", "entropy", "hinge", "divergence", "poisson", "false_")
_MORE = ("accuracy", "iou", "io_u", "auc", "precision", "recall", "score", "correlation", "similarity", "true_")


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
        RecipeError: there is no such column, or its name does not tell which way is better.
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
    if any(part in name for part in _LESS):
        return Monitor(name, "min")
    if any(part in name for part in _MORE):
        return Monitor(name, "max")
    message = f'whether less or more of "{name}" is better can\'t be told from its name; expected "min" or "max"'
    raise RecipeError([Problem("train.mode", message)])
