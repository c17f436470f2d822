"""Run a trial in a process of its own, report its epochs to the search, and end it early where the search says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from tlkit.errors import RunError
from tlkit.jobs.folds.display import FoldsDisplay
from tlkit.jobs.folds.processes import FoldProcesses, run_to_its_end
from tlkit.jobs.sweep.study import Study, number_of
from tlkit.runs.folder import RunFolder
from tlkit.runs.history import read_history
from tlkit.runs.sweeps import State, SweepFolder, best

_EVERY = 0.3
"""Seconds between two looks at the metrics of a trial."""


@dataclass(frozen=True)
class TrialCommand:
    """How the process of each trial is started.

    Args:
        plugins: the options that choose the plugins.
        environment: the variables that choose the plugins, None for one that is not set.
    """

    plugins: Sequence[str]
    environment: Mapping[str, str | None]

    def of_trial(self, folder: SweepFolder, number: int) -> list[str]:
        """Return the arguments of the interpreter that runs a trial, or resumes it if it was interrupted."""
        run = folder.trial(number)
        command = ["-m", "tlkit", *self.plugins]
        if run.recipe.is_file():
            return [*command, "resume", str(run.path)]
        return [*command, "run", str(folder.trial_recipe(number)), "--out", str(run.path)]


@dataclass(frozen=True)
class Ended:
    """How a trial ended.

    Args:
        state: what became of it.
        value: the metric at its best epoch.
        reason: why it failed; empty if it didn't.
    """

    state: State
    value: float | None = None
    reason: str = ""


class TrialRun:
    """The run of a trial.

    Args:
        study: the search.
        folder: the folder of the sweep.
        metric: the column of ``metrics.csv`` by which trials are compared.
        command: how the process is started.
        display: shows how far the trial is.
        make: makes the processes of a trial.
    """

    def __init__(
        self,
        study: Study,
        folder: SweepFolder,
        metric: str,
        command: TrialCommand,
        display: FoldsDisplay,
        make: Callable[[], FoldProcesses] = FoldProcesses,
    ) -> None:
        self._study = study
        self._folder = folder
        self._metric = metric
        self._command = command
        self._display = display
        self._make = make
        self._running: list[FoldProcesses] = []
        self._stopped = False
        self._lock = Lock()

    def started(self, number: int, what: str) -> None:
        """Show that a trial begins, and with which values."""
        self._display.started(number, what)

    def stop(self) -> None:
        """Have the processes of all trials save their state and end, and wait for them."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for each in running:
            each.stop()

    def _processes(self) -> FoldProcesses:
        made = self._make()
        with self._lock:
            self._running.append(made)
            if self._stopped:
                made.stop()
        return made

    def run(self, trial: Any) -> Ended:
        """Run a trial to its end, or until it is pruned.

        Raises:
            Interrupted: by a signal; the process has saved its state, and the trial goes on later.
            RunError: its metrics have no such column.
        """
        number = number_of(trial)
        run, processes = self._folder.trial(number), self._processes()
        work = partial(
            run_to_its_end,
            run,
            self._folder.log(number),
            lambda: self._command.of_trial(self._folder, number),
            processes,
            partial(self._display.said, number),
            self._command.environment,
        )
        pruned = bool(self._study.reported(trial)) and bool(trial.should_prune())
        if pruned:
            return self._pruned(trial)
        with ThreadPoolExecutor(1) as pool:
            try:
                code = self._watch(pool, work, trial, processes)
            except BaseException:
                processes.stop()
                raise
        self._display.ended(number, code or 0, stopped=processes.stopped)
        if code is None:
            return self._pruned(trial)
        if code:
            return Ended("failed", reason=f"exit code {code}: {_last_line(self._folder.log(number))}")
        value = best(self._study.reported(trial).values(), self._study.direction)
        if value is None:
            return Ended("failed", reason=f"{self._metric} was never a finite number")
        return Ended("finished", value)

    def _pruned(self, trial: Any) -> Ended:
        return Ended("pruned", best(self._study.reported(trial).values(), self._study.direction))

    def _watch(
        self, pool: ThreadPoolExecutor, work: Callable[[], int], trial: Any, processes: FoldProcesses
    ) -> int | None:
        """Report the epochs of a trial while its process runs; return its exit code, or None if it was pruned."""
        running: Future[int] = pool.submit(work)
        while True:
            done = bool(wait([running], _EVERY).done)
            if self._report(trial):
                processes.stop()
                return None
            if done:
                return running.result()

    def _report(self, trial: Any) -> bool:
        """Report the epochs that are new in ``metrics.csv``; return whether the trial is to end."""
        run = self._folder.trial(number_of(trial))
        known = self._study.reported(trial)
        for epoch, value in _epochs(run, self._metric):
            if epoch not in known and self._study.report(trial, epoch, value):
                return True
        return False


def _epochs(run: RunFolder, metric: str) -> list[tuple[int, float]]:
    """Return the epochs of a run with the metric.

    Raises:
        RunError: there is no such column.
    """
    if not run.history.is_file():
        return []
    try:
        history = read_history(run.history)
    except RunError:  # a row is being written
        return []
    if not history.epochs:
        return []
    if metric not in history.columns:
        columns = ", ".join(history.columns)
        raise RunError(f'sweep.metric: no metric "{metric}" in {run.history}; expected one of {columns}')
    return list(zip(history.epochs, history.columns[metric], strict=True))


def _last_line(log: Path) -> str:
    """Return the last line that a process printed, which says why it failed."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "it printed nothing"
    return lines[-1].strip()[:300] if lines else "it printed nothing"
