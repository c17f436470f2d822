"""Run the trials of a sweep, one after another or several at a time, and write what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlkit.cluster.ray_cluster import Cluster
from tlkit.errors import RecipeError, RunError
from tlkit.jobs.folds.display import FoldsDisplay
from tlkit.jobs.folds.placed import makes_processes
from tlkit.jobs.sweep.rounds import is_independent
from tlkit.jobs.sweep.study import Study, number_of
from tlkit.jobs.sweep.trial_run import Ended, TrialCommand, TrialRun
from tlkit.recipe.load import load_recipe, parse_recipe
from tlkit.recipe.portable import portable_text
from tlkit.recipe.schema import Recipe
from tlkit.recipe.sweep_space import overrides_of, without_tables
from tlkit.registry import Registry
from tlkit.report.sweep_charts import value_text
from tlkit.report.sweep_page import sweep_page, sweep_table
from tlkit.runs.sweeps import Direction, SweepFolder, Trial, ranked
from tlkit.system.disk import write_atomically
from tlkit.system.terminal import Terminal

_FAILURES = 3
"""Trials that fail before any succeeds, after which the sweep ends."""
_EVERY = 0.3
"""Seconds between two looks at the trials, within which a signal is noticed."""


@dataclass(frozen=True)
class SweepResult:
    """What a sweep returns.

    Args:
        folder: the folder, with a run folder per trial, ``sweep.html``, ``sweep.csv`` and ``best.toml``.
        metric: the column of ``metrics.csv`` by which trials are compared.
        direction: whether less or more of it is better.
        trials: the trials, the best first.
    """

    folder: Path
    metric: str
    direction: Direction
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial | None:
        """The best trial that finished; None if none did."""
        first = self.trials[0] if self.trials else None
        return first if first is not None and first.state == "finished" else None


@dataclass(frozen=True, order=True)
class _Begun:
    """A trial that was begun in this process."""

    number: int
    trial: Any = field(compare=False)
    values: Mapping[str, Any] = field(compare=False)
    start: float = field(default_factory=time.monotonic, compare=False)


class Search:
    """A sweep in progress.

    Args:
        recipe: the recipe, with its table ``[sweep]``.
        registry: the plugins.
        folder: the folder of the sweep; this process holds its lock.
        direction: whether less or more of the metric is better.
        metric: the column of ``metrics.csv`` by which they are compared.
    """

    def __init__(
        self, recipe: Recipe, registry: Registry, folder: SweepFolder, direction: Direction, metric: str
    ) -> None:
        self._recipe = recipe
        self._registry = registry
        self._folder = folder
        assert recipe.sweep is not None
        self._study = Study(folder.journal, recipe.sweep, direction, recipe.seed)
        self._sweep = recipe.sweep
        self._metric = metric
        self._plain = without_tables(portable_text(recipe), "sweep", "cluster")

    def run(self, command: TrialCommand, cluster: Cluster | None, console: Terminal) -> None:
        """Run the trials that are missing: one at a time, or as many as the cluster has workers.

        Raises:
            RunError: the first trials failed.
            Interrupted: by a signal.
        """
        minutes = self._sweep.table.minutes
        end = None if minutes is None else time.monotonic() + 60 * minutes
        at_once = 1 if cluster is None else cluster.room
        with FoldsDisplay(console, self._study.most, "trial") as display, ThreadPoolExecutor(at_once) as pool:
            console.print(f"Sweep folder: {self._folder.path}")
            if at_once > self._study.round and not is_independent(self._sweep):
                console.print(f"  note: {self._study.round} at a time, because later ones learn from them: sweep.round")
            compared = (self._study, self._folder, self._metric)
            runs = TrialRun(*compared, command, display, makes_processes(cluster))
            running: dict[Future[Ended], _Begun] = {}
            try:
                while self._begin(end, at_once, running, lambda begun: pool.submit(self._run, runs, begun)):
                    for each in sorted(wait(running, _EVERY, FIRST_COMPLETED).done, key=lambda each: running[each]):
                        self._end(running.pop(each), each.result(), console)
            except BaseException:
                runs.stop()
                raise
        self._write()

    def _begin(
        self,
        end: float | None,
        at_once: int,
        running: dict[Future[Ended], _Begun],
        submit: Callable[[_Begun], Future[Ended]],
    ) -> bool:
        """Begin as many trials as may run; return whether any runs."""
        while len(running) < at_once and (trial := self._next(end, running.values())) is not None:
            begun = _Begun(number_of(trial), trial, self._study.values(trial))
            running[submit(begun)] = begun
        return bool(running)

    def _next(self, end: float | None, running: Collection[_Begun]) -> Any | None:
        """Return the next trial: one that was begun before, or a new one; None if there is none for now."""
        independent = is_independent(self._sweep)
        if not running and not independent:
            self._begin_round(end)
        interrupted = self._study.interrupted({each.number for each in running})
        if interrupted is not None or not independent or self._is_over(end):
            return interrupted
        return self._study.ask()

    def _begin_round(self, end: float | None) -> None:
        """Choose the trials of the next round, if those of the last one have ended."""
        size, begun = self._study.round, self._study.begun()
        if self._study.interrupted() is None:
            for _ in range(size - begun % size):
                if not self._is_over(end):
                    self._study.values(self._study.ask())

    def _is_over(self, end: float | None) -> bool:
        return self._study.begun() >= self._study.most or (end is not None and time.monotonic() >= end)

    def _end(self, begun: _Begun, ended: Ended, console: Terminal) -> None:
        """Record how a trial ended.

        Raises:
            RunError: the first trials failed.
        """
        seconds = time.monotonic() - begun.start
        self._study.end(begun.trial, ended.state, value=ended.value, seconds=seconds, reason=ended.reason)
        console.print(f"  trial {begun.number}: {_outcome(ended, self._metric)}")
        self._write()
        self._refuse_failures()

    def _run(self, runs: TrialRun, begun: _Begun) -> Ended:
        """Write the recipe of a trial, and run it."""
        runs.started(begun.number, _shown(begun.values))
        try:
            checked = parse_recipe(self._plain, self._registry, overrides_of(begun.values), self._folder.recipe)
        except RecipeError as error:  # values that don't go together
            return Ended("failed", reason=str(error))
        file = self._folder.trial_recipe(begun.number)
        if not file.is_file():
            write_atomically(file, portable_text(checked))
        elif load_recipe(file, self._registry).values != parse_recipe(portable_text(checked), self._registry).values:
            raise RunError(
                f"{file}: has other values than {self._folder.journal.name} has of this trial; one of them was changed "
                "or damaged. Begin a new sweep in another folder with --out"
            )
        return runs.run(begun.trial)

    def _refuse_failures(self) -> None:
        trials = [each for each in self._study.trials() if each.state != "running"]
        if len(trials) >= _FAILURES and all(each.state == "failed" for each in trials):
            last = trials[-1]
            raise RunError(
                f"{self._folder.path}: all {len(trials)} trials failed, the last by: {last.reason}; what each printed "
                f"is in trial-*.log. After mending the cause, begin a new sweep"
            )

    def result(self) -> SweepResult:
        """Return the trials, the best first."""
        trials = tuple(ranked(self._study.trials(), self._study.direction))
        return SweepResult(self._folder.path, self._metric, self._study.direction, trials)

    def _write(self) -> None:
        """Write the page, the table and the best recipe."""
        result, folder = self.result(), self._folder
        write_atomically(folder.table, sweep_table(result.trials, folder))
        if result.best is not None:
            text = folder.trial_recipe(result.best.number).read_text(encoding="utf-8")
            head = f"# The best of {len(result.trials)} trials: {self._metric} {result.best.value:.6g} in trial "
            write_atomically(folder.best, f"{head}{result.best.number}\n{text}")
        compared = (self._metric, self._study.direction)
        page = sweep_page(folder, self._recipe, compared, result.trials, self._study.importances())
        write_atomically(folder.page, page)


def _shown(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value_text(each)}" for key, each in values.items())


def _outcome(ended: Ended, metric: str) -> str:
    if ended.state == "failed":
        return f"failed: {ended.reason}"
    value = "" if ended.value is None else f"best {metric} {ended.value:.4g}"
    return f"{'ended early, ' if ended.state == 'pruned' else ''}{value}"
