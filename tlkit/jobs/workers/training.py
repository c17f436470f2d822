"""``tlkit run --workers`` and ``tlkit resume --workers``: the process that starts the workers, and watches them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tlkit.cluster.launcher import LocalWorkers, Workers
from tlkit.cluster.lost import Lost
from tlkit.cluster.ray_cluster import Cluster, ClusterOptions, cluster_options, perhaps_joined, reachable
from tlkit.cluster.supervise import Failed, Stopped, supervise
from tlkit.cluster.tasks import WorkerLostError
from tlkit.errors import Problem, RecipeError
from tlkit.jobs import from_recipe
from tlkit.jobs.finish import RunResult
from tlkit.jobs.folds.commands import FoldCommand, fold_command
from tlkit.jobs.resume import expect_run, resume
from tlkit.jobs.run import removed_if_untrained
from tlkit.jobs.workers.errors import raised_again
from tlkit.jobs.workers.task import WorkerTask
from tlkit.recipe.load import locate, read_recipe
from tlkit.recipe.schema import Recipe
from tlkit.registry import VARIABLE, Registry
from tlkit.registry.discovery import OWN_PLUGINS, copied, registry_for_recipe
from tlkit.runs.folder import RunFolder, create_run_folder
from tlkit.runs.log import event_log
from tlkit.runs.plugins import load_run_recipe
from tlkit.system.from_parent import ALLOWED_BY_PARENT
from tlkit.system.signals import Interrupted, Signals

WORKER = "tlkit.jobs.workers.worker"
"""The module that a worker runs."""


@dataclass(frozen=True)
class WorkerOptions:
    """How a training on several workers is run.

    Args:
        workers: how many.
        restarts: how often they may be started again after one was lost; None for the recipe's ``cluster.restarts``.
        deterministic: use deterministic operations only.
        profile: write where the time of the chief goes.
        quiet: print nothing.
        cluster: the Ray cluster on which they run, as ``--cluster`` names it; None for that of the recipe, or else for
            processes of this machine.
    """

    workers: int
    restarts: int | None = None
    deterministic: bool = False
    profile: bool = False
    quiet: bool = False
    cluster: str | None = None


def run_on_workers(
    recipe: str | Path | Mapping[str, Any],
    overrides: Sequence[str],
    out: str | Path | None,
    options: WorkerOptions,
    *,
    registry: Registry | None = None,
) -> RunResult:
    """Run a recipe as ``tlkit.run`` does, on several workers that train together.

    Args:
        recipe: a recipe file, the name of a shipped recipe, or the recipe as nested dicts.
        overrides: ``key=value`` as ``tlkit run --set`` takes them.
        out: the run folder to create; None for ``runs/<recipe>-<n>``.
        options: how many workers there are.
        registry: the plugins; None for the installed ones.

    Returns:
        the run folder and the final metrics.

    Raises:
        WorkerLostError: a worker was lost more often than the workers may be started again.
        Exception: as for ``tlkit.run``; what a worker raised, in the words of the chief or of the one that failed.
    """
    given = registry_for_recipe(registry, allow_plugins=False)
    used = copied(given)
    checked = read_recipe(recipe, used, overrides)
    _refuse_too_many(checked, overrides, options.workers)
    command = fold_command(given, used, deterministic=options.deterministic, what="worker")
    places = reachable(cluster_options(options.cluster, checked.cluster))
    folder = create_run_folder(checked.name, None if out is None else Path(out))
    with removed_if_untrained(folder):
        from_recipe.refuse_missing_files(checked)
        from_recipe.refuse_missing_engine(checked, overrides)
        told = dict(recipe) if isinstance(recipe, Mapping) else str(recipe)
        task = replace(_task(folder, overrides, options, command), recipe=told)
        return _Training(folder, _complete(options, checked), places).run(task)


def resume_on_workers(
    run_folder: str | Path, overrides: Sequence[str], options: WorkerOptions, *, registry: Registry | None = None
) -> RunResult:
    """Continue a run as ``tlkit.resume`` does, on several workers.

    Args:
        run_folder: the folder of the run, which one process or any number of workers may have begun.
        overrides: as for ``tlkit.resume``.
        options: how many workers there are.
        registry: the plugins; None for the installed ones.

    Raises:
        Exception: as for ``run_on_workers`` and ``tlkit.resume``.
    """
    folder = RunFolder(Path(run_folder))
    expect_run(folder)
    if not any(folder.checkpoints.glob("[0-9]*.json")) and folder.model.is_file() and folder.metrics.is_file():
        return resume(folder.path, overrides, registry=registry, quiet=options.quiet)  # which trains nothing
    given = registry_for_recipe(registry, allow_plugins=False)
    used = copied(given)
    checked = load_run_recipe(folder, used, overrides)
    _refuse_too_many(checked, overrides, options.workers)
    command = fold_command(given, used, deterministic=options.deterministic, what="worker")
    places = reachable(cluster_options(options.cluster, checked.cluster))
    return _Training(folder, _complete(options, checked), places).run(_task(folder, overrides, options, command))


def _complete(options: WorkerOptions, recipe: Recipe) -> WorkerOptions:
    return options if options.restarts is not None else replace(options, restarts=recipe.cluster.restarts)


def _refuse_too_many(recipe: Recipe, overrides: Sequence[str], workers: int) -> None:
    size = recipe.input.batch_size
    if workers > size:
        message = f"is {size}, and each of --workers {workers} trains on rows of its own of every batch"
        problem = Problem("input.batch_size", f"{message}; expected at most {size} workers, or a larger batch_size")
        raise RecipeError(locate([problem], recipe.file, overrides))


def _task(folder: RunFolder, overrides: Sequence[str], options: WorkerOptions, command: FoldCommand) -> WorkerTask:
    own = "--no-plugins" in command.plugins
    return WorkerTask(
        folder=str(folder.path.resolve()),
        rank=0,
        size=options.workers,
        overrides=tuple(overrides),
        plugins=() if own else tuple(command.plugins[1::2]),
        installed=OWN_PLUGINS if own else command.environment.get(VARIABLE),
        allowed=tuple((command.environment.get(ALLOWED_BY_PARENT) or "").split(",")),
        deterministic=options.deterministic,
        profile=options.profile,
        working_folder=str(Path.cwd()),
    )


class _Training:
    """The workers of a run, started as often as it takes.

    Args:
        folder: the run folder.
        options: how many workers there are, and how often they may be started again.
        places: the cluster on which they run; None for this machine.
    """

    def __init__(self, folder: RunFolder, options: WorkerOptions, places: ClusterOptions | None) -> None:
        self._folder = folder
        self._places = None if places is None else replace(places, workers=options.workers)
        self._options = options
        self._most = options.restarts or 0
        self._losses: list[str] = []

    def run(self, task: WorkerTask) -> RunResult:
        """Train to the end, and return the result.

        Raises:
            WorkerLostError: a worker was lost too often.
            WorkerFailedError: a worker met an error that no user can fix.
            Interrupted: by SIGINT, SIGTERM or SIGHUP.
            TlkitError: what a worker raised.
        """
        folder, signals = self._folder, Signals()
        with signals.handled(), signals.deferred(), perhaps_joined(self._places, self._say_only) as cluster:
            try:
                while (end := self._attempt(task, signals, cluster)) is not None:
                    self._lost(end)
                    task = replace(task, losses=tuple(self._losses))
                    if folder.recipe.is_file():
                        task = replace(task, recipe=None, overrides=task.overrides if task.recipe is None else ())
            finally:
                self._tidy()
        return RunResult(folder.path, folder.read_json(folder.metrics))

    def _attempt(self, task: WorkerTask, signals: Signals, cluster: Cluster | None) -> Lost | None:
        """Start the workers and wait for their end; return who was lost, None if all is done."""
        folder, size = self._folder, self._options.workers
        folder.workers.mkdir(exist_ok=True)
        self._tidy()
        logs = [folder.workers / f"worker-{rank}.log" for rank in range(size)]
        tasks = [task.of_rank(rank).text() for rank in range(size)]
        workers: Workers
        if cluster is None:
            workers = LocalWorkers(WORKER, tasks, logs, first_prints=not self._options.quiet)
        else:
            from tlkit.cluster.ray_workers import RayWorkers

            workers = RayWorkers(cluster, WORKER, tasks, logs, folder.workers / ".chief.out")
        try:
            end = supervise(
                workers,
                folder.workers,
                size,
                asked=lambda: signals.asked,
                slow_is_lost=len(self._losses) < self._most,
            )
        finally:
            workers.kill(range(size))
        if isinstance(end, Stopped):
            self._stopped(signals, saved=end.saved)
        if isinstance(end, Failed):
            raise raised_again(end.rank, end.code, end.error, logs[end.rank])
        assert not isinstance(end, Stopped | Failed)
        return end

    def _stopped(self, signals: Signals, *, saved: bool) -> None:
        try:
            signals.stop()
        except Interrupted as stopped:
            if self._folder.recipe.is_file():
                how = "" if saved else " The state could not be saved; the last checkpoint is intact."
                stopped.args = (f"{stopped}{how} To continue: tlkit resume {self._folder.path}",)
            raise

    def _lost(self, lost: Lost) -> None:
        """Say who was lost, and how it goes on.

        Raises:
            WorkerLostError: workers were lost too often.
        """
        folder, most, done = self._folder, self._most, len(self._losses)
        if done >= most:
            again = f"; the workers were started again {done} time{'s' if done > 1 else ''} before" if done else ""
            hint = f". To continue: tlkit resume {folder.path}" if folder.recipe.is_file() else ""
            raise WorkerLostError(f"{lost}{again}. {folder.workers} has their logs{hint}")
        self._losses.append(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {lost}")
        self._say(f"  {lost}; going on from {_last_checkpoint(folder)}, try {done + 1} of {most}")

    def _say_only(self, text: str) -> None:
        from tlkit.system.progress import Reporter

        Reporter(quiet=self._options.quiet).say(text)

    def _say(self, text: str) -> None:
        self._say_only(text)
        with event_log(self._folder) as log:
            log.warning("%s", text.strip())

    def _tidy(self) -> None:
        """Remove the heartbeats, and what the workers that write nothing would have written."""
        for file in self._folder.workers.glob("worker-*.beat"):
            file.unlink(missing_ok=True)
        for own in (*self._folder.workers.glob(".worker-*"), self._folder.workers / ".ray-train"):
            shutil.rmtree(own, ignore_errors=True)
        (self._folder.workers / ".chief.out").unlink(missing_ok=True)


def _last_checkpoint(folder: RunFolder) -> str:
    """Return the newest intact checkpoint in words."""
    from tlkit.train.checkpoint import read_checkpoints

    found = read_checkpoints(folder.checkpoints, lambda _note: None) if folder.checkpoints.is_dir() else []
    if not found:
        return "the beginning, since there is no checkpoint yet"
    state = found[0].state
    if state.inside is None:
        return f"the last checkpoint (after {state.epochs_done} epochs)"
    return f"the last checkpoint (epoch {state.epochs_done + 1}, step {state.inside.step})"
