"""Rounds of a sweep: trials that are chosen together, and that know nothing of each other while they run.

What a trial tries, and whether it ends early, then depends on the rounds before it, and not on which trial ends first.
"""

from __future__ import annotations

import math
from typing import Any

from tlkit.recipe.sweep_table import Sweep

_ROUNDS = 4
"""Rounds that a sweep has at least by default, so that later trials learn from earlier ones."""


def is_independent(sweep: Sweep) -> bool:
    """Return whether no trial depends on another, so that rounds change nothing."""
    return sweep.table.sampler != "tpe" and sweep.table.pruner == "none"


def default_round(sweep: Sweep, room: int) -> int:
    """Return the number of trials in a round for so many workers, if the recipe does not say."""
    return 1 if is_independent(sweep) else max(1, min(room, math.ceil(sweep.table.trials / _ROUNDS)))


def pruner_of_rounds(optuna: Any, pruner: Any, size: int) -> Any:
    """Return a pruner that compares a trial with those of earlier rounds only.

    Args:
        optuna: the package.
        pruner: Optuna's pruner, which asks a study for its trials.
        size: the number of trials in a round.
    """

    class PrunerOfRounds(optuna.pruners.BasePruner):  # type: ignore[misc]
        def prune(self, study: Any, trial: Any) -> bool:
            return bool(pruner.prune(_Earlier(study, trial.number // size * size), trial))

    return PrunerOfRounds()


class _Earlier:
    """A study without the trials from a number on."""

    def __init__(self, study: Any, end: int) -> None:
        self._study = study
        self._end = end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, *arguments: Any, **options: Any) -> list[Any]:
        return [each for each in self._study.get_trials(*arguments, **options) if each.number < self._end]
