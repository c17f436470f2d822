"""``tlkit.sweep``: try values of a recipe's keys, and say which are best."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tlkit.errors import Problem, RecipeError, RunError
from tlkit.jobs import from_recipe
from tlkit.jobs.folds.commands import fold_command
from tlkit.jobs.folds.display import FoldsDisplay
from tlkit.jobs.sweep.study import Study, number_of, require_optuna
from tlkit.jobs.sweep.trial_run import Ended, TrialCommand, TrialRun
from tlkit.recipe import catalog
from tlkit.recipe.load import load_recipe, parse_recipe
from tlkit.recipe.monitor import choose_monitor
from tlkit.recipe.portable import portable_text
from tlkit.recipe.schema import Recipe
from tlkit.recipe.sweep_space import overrides_of, without_sweep
from tlkit.registry import Registry
from tlkit.registry.discovery import copied, registry_for_recipe
from tlkit.report.sweep_charts import value_text
from tlkit.report.sweep_page import sweep_page, sweep_table
from tlkit.runs.disk_errors import explain_disk_errors
from tlkit.runs.folder import create_run_folder
from tlkit.runs.lock import LOCK, locked
from tlkit.runs.sweeps import Direction, SweepFolder, Trial, ranked
from tlkit.system.disk import write_atomically
from tlkit.system.signals import interruptible
from tlkit.system.terminal import Terminal

_FAILURES = 3
"""Trials that fail before any succeeds, after which the sweep ends."""


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


def sweep(
    recipe: str | Path,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    *,
    registry: Registry | None = None,
    quiet: bool = False,
    allow_plugins: bool = False,
) -> SweepResult:
    """Try values of a recipe's keys as its table ``[sweep]`` says, each trial in a process and a run folder of its own.

    Given the folder of an earlier sweep of the same recipe, the trials that are missing are run, an interrupted one
    first; ``sweep.trials`` and ``sweep.minutes`` may have changed.

    Args:
        recipe: a recipe file with a table ``[sweep]``; or the folder of a sweep, to continue it.
        overrides: ``key=value`` as ``tlkit sweep --set`` takes them.
        out: the folder; None for ``runs/<recipe>-sweep-<n>``.
        registry: the plugins, which each trial loads as well.
        quiet: print nothing.
        allow_plugins: load the plugin files that the recipe names in its key ``plugins``. They are code.

    Raises:
        RecipeError: the recipe is not valid, has no table ``[sweep]``, or a value of it is refused.
        DataError: the data can't be used, or Optuna is not installed.
        PluginError: a plugin exists only in this process.
        RunError: the folder can't be used, or the first trials failed.
        BusyError: another process works in the folder.
        Interrupted: by SIGINT, SIGTERM or SIGHUP; the trial in progress has saved its state.
    """
    given = Path(recipe)
    if out is None and SweepFolder(given).recipe.is_file():
        out, recipe = given, SweepFolder(given).recipe
    registry = registry_for_recipe(registry, allow_plugins=allow_plugins)
    used = copied(registry)
    checked = load_recipe(catalog.resolve(Path(recipe)), used, overrides)
    if checked.sweep is None:
        message = 'missing; expected a table such as [sweep] with "head.dropout" = [0.0, 0.2, 0.5]'
        raise RecipeError([Problem("sweep", message, checked.file)])
    command = fold_command(registry, used, deterministic=False)
    from_recipe.refuse_missing_files(checked)
    from_recipe.refuse_missing_engine(checked, overrides)
    metric, direction = _metric(checked)
    require_optuna()
    console = Terminal(quiet=quiet)
    folder = SweepFolder(_folder(checked.name, out))
    again = f"To continue: tlkit resume {folder.path}"
    with interruptible(again), locked(folder.path), explain_disk_errors(folder.path):
        _begin(folder, checked, used)
        study = Study(folder.journal, checked.sweep, direction, checked.seed)
        searched = _Search(checked, used, folder, study, metric)
        searched.run(TrialCommand(command.plugins, command.environment), console)
        result = searched.result()
    _say_what_came_of_it(result, folder, console)
    return result


class _Search:
    """A sweep in progress.

    Args:
        recipe: the recipe, with its table ``[sweep]``.
        registry: the plugins.
        folder: the folder of the sweep; this process holds its lock.
        study: the trials.
        metric: the column of ``metrics.csv`` by which they are compared.
    """

    def __init__(self, recipe: Recipe, registry: Registry, folder: SweepFolder, study: Study, metric: str) -> None:
        self._recipe = recipe
        self._registry = registry
        self._folder = folder
        self._study = study
        self._metric = metric
        self._plain = without_sweep(portable_text(recipe))

    def run(self, command: TrialCommand, console: Terminal) -> None:
        """Run the trials that are missing.

        Raises:
            RunError: the first trials failed.
            Interrupted: by a signal.
        """
        assert self._recipe.sweep is not None
        minutes = self._recipe.sweep.table.minutes
        end = None if minutes is None else time.monotonic() + 60 * minutes
        with FoldsDisplay(console, self._study.most, "trial") as display:
            console.print(f"Sweep folder: {self._folder.path}")
            runs = TrialRun(self._study, self._folder, self._metric, command, display)
            while (trial := self._next(end)) is not None:
                values = self._study.values(trial)
                display.started(number_of(trial), _shown(values))
                start = time.monotonic()
                ended = self._run(runs, trial, values)
                self._study.end(
                    trial, ended.state, value=ended.value, seconds=time.monotonic() - start, reason=ended.reason
                )
                console.print(f"  trial {number_of(trial)}: {_outcome(ended, self._metric)}")
                self._write()
                self._refuse_failures()
        self._write()

    def _next(self, end: float | None) -> Any | None:
        interrupted = self._study.interrupted()
        if interrupted is not None:
            return interrupted
        if self._study.begun() >= self._study.most or (end is not None and time.monotonic() >= end):
            return None
        return self._study.ask()

    def _run(self, runs: TrialRun, trial: Any, values: Mapping[str, Any]) -> Ended:
        """Write the recipe of a trial, and run it."""
        try:
            checked = parse_recipe(self._plain, self._registry, overrides_of(values), self._folder.recipe)
        except RecipeError as error:  # values that don't go together
            return Ended("failed", reason=str(error))
        file = self._folder.trial_recipe(number_of(trial))
        if not file.is_file():
            write_atomically(file, portable_text(checked))
        elif load_recipe(file, self._registry).values != parse_recipe(portable_text(checked), self._registry).values:
            raise RunError(
                f"{file}: has other values than {self._folder.journal.name} has of this trial; one of them was changed "
                "or damaged. Begin a new sweep in another folder with --out"
            )
        return runs.run(trial)

    def _refuse_failures(self) -> None:
        trials = self._study.trials()
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


def _metric(recipe: Recipe) -> tuple[str, Direction]:
    """Return the column by which trials are compared, and whether less or more of it is better.

    Raises:
        RecipeError: its name doesn't say.
    """
    assert recipe.sweep is not None
    table = recipe.sweep.table
    name = recipe.train.monitor if table.metric == "auto" else table.metric
    columns = ("val_loss", "val_mean_iou") if name == "auto" else (name,)
    mode = recipe.train.mode if table.metric == "auto" else "auto"
    if table.direction != "auto":
        mode = "min" if table.direction == "minimize" else "max"
    try:
        monitor = choose_monitor(recipe.train.model_copy(update={"monitor": name, "mode": mode}), recipe.task, columns)
    except RecipeError as error:
        message = error.problems[0].message.replace('"min" or "max"', 'direction = "minimize" or "maximize"')
        raise RecipeError([replace(error.problems[0], path="sweep.direction", message=message)]) from error
    return monitor.name, "minimize" if monitor.mode == "min" else "maximize"


def _folder(name: str, out: str | Path | None) -> Path:
    """Return the folder of a sweep, made if it is not there."""
    if out is not None:
        folder = SweepFolder(Path(out))
        left = {LOCK, folder.recipe.name}
        if folder.recipe.is_file() or (folder.path.is_dir() and {each.name for each in folder.path.iterdir()} <= left):
            return folder.path
    return create_run_folder(f"{name}-sweep", None if out is None else Path(out)).path


def _begin(folder: SweepFolder, recipe: Recipe, registry: Registry) -> None:
    """Write the recipe of a new sweep; check that that of an earlier one is the same.

    Raises:
        RunError: it is another.
    """
    assert recipe.sweep is not None
    if not folder.recipe.is_file():
        write_atomically(folder.recipe, portable_text(recipe))
        return
    before = load_recipe(folder.recipe, registry)
    assert before.sweep is not None
    now = {"trials": recipe.sweep.table.trials, "minutes": recipe.sweep.table.minutes}
    same = before.values == parse_recipe(portable_text(recipe), registry, (), folder.recipe).values
    table = before.sweep.table.model_copy(update=now)
    if not same or table != recipe.sweep.table or before.sweep.space != recipe.sweep.space:
        raise RunError(
            f"{folder.path}: its trials are of another recipe; only sweep.trials and sweep.minutes may change. Give "
            "another folder with --out"
        )
    write_atomically(folder.recipe, portable_text(recipe))


def _shown(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value_text(each)}" for key, each in values.items())


def _outcome(ended: Ended, metric: str) -> str:
    if ended.state == "failed":
        return f"failed: {ended.reason}"
    value = "" if ended.value is None else f"best {metric} {ended.value:.4g}"
    return f"{'ended early, ' if ended.state == 'pruned' else ''}{value}"


def _say_what_came_of_it(result: SweepResult, folder: SweepFolder, console: Terminal) -> None:
    if result.best is None:
        console.print("No trial finished.")
    else:
        best = result.best
        console.print(
            f"Best: trial {best.number}, {result.metric} {best.value:.4g} at its best epoch: "
            f"{', '.join(overrides_of(best.values))}"
        )
        console.print(f"Its recipe: {folder.best}; its run: {folder.trial(best.number).path}")
    console.print(f"Open {folder.page} in a browser.")
