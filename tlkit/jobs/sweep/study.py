"""The search of a sweep: Optuna chooses the values, decides which trials end early, and keeps what came of them.

The journal in the folder is the only state: each draw depends on it, the recipe's seed and the number of the trial, so
that an interrupted sweep continues with the same trials.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tlkit.errors import DataError, RunError
from tlkit.jobs.sweep.rounds import pruner_of_rounds
from tlkit.recipe.sweep_table import Choices, Dimension, Range, Sweep, all_combinations, combination
from tlkit.runs.sweeps import Direction, State, Trial, best

_NAME = "sweep"
_BEFORE_PRUNING, _FIRST_EPOCHS = 5, 2
"""Trials, and epochs of each, before the median prunes."""
_REASON, _SECONDS, _VALUES = "reason", "seconds", "values"
_FEW = 4
"""Finished trials from which the importance of keys is computed."""


class Study:
    """The trials of a sweep in its journal. The caller holds the lock of the folder.

    Args:
        journal: the file.
        sweep: what is tried.
        direction: whether less or more of the metric is better.
        seed: the recipe's seed.

    Raises:
        DataError: Optuna is not installed.
        RunError: the journal is damaged.
    """

    def __init__(self, journal: Path, sweep: Sweep, direction: Direction, seed: int) -> None:
        optuna = require_optuna()
        _cut_half_line(journal)
        self._optuna = optuna
        self._sweep = sweep
        self._seed = seed
        self.direction: Direction = direction
        try:
            storage = optuna.storages.JournalStorage(_backend(journal))
            self._study = optuna.create_study(
                storage=storage,
                study_name=_NAME,
                direction=direction,
                load_if_exists=True,
                pruner=self._pruner(),
                sampler=self._sampler(0),
            )
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError) as error:
            raise RunError(f"{journal}: not the journal of a sweep ({error}); the file is damaged") from error

    def _pruner(self) -> Any:
        pruners = self._optuna.pruners
        if self._sweep.table.pruner == "median":
            median = pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING, n_warmup_steps=_FIRST_EPOCHS)
            return median if self.round == 1 else pruner_of_rounds(self._optuna, median, self.round)
        return pruners.HyperbandPruner() if self._sweep.table.pruner == "hyperband" else pruners.NopPruner()

    def _sampler(self, number: int) -> Any:
        import numpy as np

        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        samplers = self._optuna.samplers
        return samplers.TPESampler(seed=seed) if self._sweep.table.sampler == "tpe" else samplers.RandomSampler(seed)

    @property
    def most(self) -> int:
        """The number of trials that the sweep is to have."""
        trials = self._sweep.table.trials
        return min(trials, all_combinations(self._sweep.space)) if self._sweep.table.sampler == "grid" else trials

    @property
    def round(self) -> int:
        """The number of trials that are chosen together."""
        return self._sweep.table.round or 1

    def interrupted(self, running: Collection[int] = ()) -> Any | None:
        """Return a trial that was begun and not finished; None if there is none.

        Args:
            running: the numbers of trials that run in this process, as ``number_of`` returns them.
        """
        waiting = self._optuna.trial.TrialState.RUNNING
        for each in self._study.get_trials(deepcopy=False, states=(waiting,)):
            if number_of(each) not in running:
                self._study.sampler = self._sampler(each.number)
                return self._optuna.trial.Trial(self._study, each._trial_id)
        return None

    def begun(self) -> int:
        """Return the number of trials that were begun."""
        waiting = self._optuna.trial.TrialState.WAITING
        return sum(each.state != waiting for each in self._study.get_trials(deepcopy=False))

    def ask(self) -> Any:
        """Begin the next trial."""
        number = self.begun()
        self._study.sampler = self._sampler(number)
        waiting = self._study.get_trials(deepcopy=False, states=(self._optuna.trial.TrialState.WAITING,))
        if self._sweep.table.sampler == "grid" and not waiting:
            values = combination(self._sweep.space, number)
            self._study.enqueue_trial({key: _stored(self._sweep.space[key], each) for key, each in values.items()})
        return self._study.ask()

    def values(self, trial: Any) -> dict[str, Any]:
        """Return the values of a trial, dotted key → value; those that it has not yet are drawn."""
        chosen = {key: _suggest(trial, key, each) for key, each in self._sweep.space.items()}
        if trial.user_attrs.get(_VALUES) != chosen:
            trial.set_user_attr(_VALUES, chosen)
        return chosen

    def reported(self, trial: Any) -> Mapping[int, float]:
        """Return the metric of the epochs that were reported of a trial."""
        found: Mapping[int, float] = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values
        return found

    def report(self, trial: Any, epoch: int, value: float) -> bool:
        """Report the metric of an epoch, and return whether the trial is to end."""
        trial.report(value, epoch)
        return bool(trial.should_prune())

    def end(self, trial: Any, state: State, *, value: float | None = None, seconds: float, reason: str = "") -> None:
        """End a trial.

        Args:
            trial: the trial.
            state: what became of it.
            value: the metric at its best epoch.
            seconds: how long it took.
            reason: why it failed.
        """
        states = self._optuna.trial.TrialState
        kinds = {"finished": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
        trial.set_user_attr(_SECONDS, trial.user_attrs.get(_SECONDS, 0.0) + seconds)
        if reason:
            trial.set_user_attr(_REASON, reason)
        self._study.tell(trial, value if state == "finished" else None, kinds[state])

    def trials(self) -> list[Trial]:
        """Return all trials that were begun, by their number."""
        states = self._optuna.trial.TrialState
        kinds: dict[Any, State] = {states.COMPLETE: "finished", states.PRUNED: "pruned", states.FAIL: "failed"}
        found = []
        for each in self._study.get_trials(deepcopy=False):
            if each.state == states.WAITING:
                continue
            epochs = dict(each.intermediate_values)
            attributes = each.user_attrs
            found.append(
                Trial(
                    number_of(each),
                    kinds.get(each.state, "running"),
                    dict(attributes.get(_VALUES, {})),
                    each.value if each.state == states.COMPLETE else best(epochs.values(), self.direction),
                    epochs,
                    float(attributes.get(_SECONDS, 0.0)),
                    str(attributes.get(_REASON, "")),
                )
            )
        return found

    def importances(self) -> dict[str, float]:
        """Return the share of the metric's variance that each key explains, the largest first; empty of few trials.

        Functional analysis of variance on a forest of trees (Hutter et al. 2014).
        """
        finished = [each for each in self.trials() if each.state == "finished"]
        if len(finished) < _FEW or len({each.value for each in finished}) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=self._seed)
            found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {key: float(share) for key, share in found.items() if math.isfinite(share)}


def number_of(trial: Any) -> int:
    """Return the number of a trial, from 1; Optuna counts from 0."""
    return int(trial.number) + 1


def _suggest(trial: Any, key: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Range):
        steps = dimension.steps() if dimension.step is not None else None
        low, high, step = dimension.low, steps[-1] if steps else dimension.high, dimension.step
        if dimension.whole:
            return trial.suggest_int(key, low, high, step=step or 1, log=dimension.log)
        return trial.suggest_float(key, float(low), float(high), step=step, log=dimension.log)
    return json.loads(trial.suggest_categorical(key, [json.dumps(each, default=str) for each in dimension.values]))


def _stored(dimension: Dimension, value: Any) -> Any:
    """Return a value as Optuna knows it: those of an array are texts, because they may be arrays and tables."""
    return json.dumps(value, default=str) if isinstance(dimension, Choices) else value


def _cut_half_line(journal: Path) -> None:
    """Remove a last line that was not written to its end, as when the power fails."""
    if not journal.is_file():
        return
    with journal.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)


def _backend(journal: Path) -> Any:
    """Return the file of a journal without a lock of its own, which a killed process would leave behind."""
    from optuna.storages import journal as journals

    return journals.JournalFileBackend(str(journal), lock_obj=_NoLock())


class _NoLock:
    """What Optuna takes for a lock; the lock of the folder is held already."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def require_optuna() -> Any:
    """Return the package Optuna.

    Raises:
        DataError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise DataError(
            'tlkit sweep needs the package optuna, which is not installed: pip install "tlkit[sweep]"'
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
