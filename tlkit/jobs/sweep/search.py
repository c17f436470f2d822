"""``tlkit.sweep``: try values of a recipe's keys, and say which are best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tlkit.cluster.ray_cluster import Cluster, cluster_options, perhaps_joined, reachable
from tlkit.errors import Problem, RecipeError, RunError
from tlkit.jobs import from_recipe
from tlkit.jobs.folds.commands import fold_command
from tlkit.jobs.sweep.rounds import default_round
from tlkit.jobs.sweep.study import require_optuna
from tlkit.jobs.sweep.trial_run import TrialCommand
from tlkit.jobs.sweep.trials import Search, SweepResult
from tlkit.recipe import catalog
from tlkit.recipe.load import load_recipe, parse_recipe
from tlkit.recipe.monitor import choose_monitor
from tlkit.recipe.portable import portable_text
from tlkit.recipe.schema import Recipe
from tlkit.recipe.sweep_space import overrides_of
from tlkit.recipe.sweep_table import SweepTable
from tlkit.registry import Registry
from tlkit.registry.discovery import copied, registry_for_recipe
from tlkit.runs.disk_errors import explain_disk_errors
from tlkit.runs.folder import create_run_folder
from tlkit.runs.lock import LOCK, locked
from tlkit.runs.sweeps import Direction, SweepFolder
from tlkit.system.disk import write_atomically
from tlkit.system.signals import interruptible
from tlkit.system.terminal import Terminal


def sweep(
    recipe: str | Path,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    *,
    registry: Registry | None = None,
    quiet: bool = False,
    allow_plugins: bool = False,
    cluster: str | None = None,
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
        cluster: the cluster that runs the trials, several at a time: ``local``, ``auto`` or its address; None for that
            of the recipe's table ``[cluster]``, if any. Its machines must share the folder.

    Raises:
        RecipeError: the recipe is not valid, has no table ``[sweep]``, or a value of it is refused.
        DataError: the data or the cluster can't be used, or Optuna is not installed.
        PluginError: a plugin exists only in this process.
        RunError: the folder can't be used, or the first trials failed.
        BusyError: another process works in the folder.
        Interrupted: by SIGINT, SIGTERM or SIGHUP; the trial in progress has saved its state.
    """
    if out is None and SweepFolder(Path(recipe)).recipe.is_file():
        out, recipe = Path(recipe), SweepFolder(Path(recipe)).recipe
    registry = registry_for_recipe(registry, allow_plugins=allow_plugins)
    used = copied(registry)
    file = catalog.resolve(Path(recipe))
    checked = load_recipe(file, used, overrides)
    _table(checked)
    command = fold_command(registry, used, deterministic=False)
    from_recipe.refuse_missing_files(checked)
    from_recipe.refuse_missing_engine(checked, overrides)
    metric, direction = _metric(checked)
    require_optuna()
    chosen = reachable(cluster_options(cluster, checked.cluster))
    console = Terminal(quiet=quiet)
    folder = SweepFolder(_folder(checked.name, out))
    again = f"To continue: tlkit resume {folder.path}"
    with interruptible(again), locked(folder.path), explain_disk_errors(folder.path):
        with perhaps_joined(chosen, console.print) as workers:
            size = _round(checked, folder, used, workers)
            checked = _in_rounds(checked, size, file, used, overrides)
            _begin(folder, checked, used)
            searched = Search(checked, used, folder, direction, metric)
            searched.run(TrialCommand(command.plugins, command.environment), workers, console)
        result = searched.result()
    _say_what_came_of_it(result, folder, console)
    return result


def _in_rounds(recipe: Recipe, size: int, file: Path, registry: Registry, overrides: Sequence[str]) -> Recipe:
    """Return the recipe with rounds of so many trials, read again from its file if it has others."""
    if size == (_table(recipe).round or 1):
        return recipe
    return load_recipe(file, registry, [*overrides, f"sweep.round={size}"])


def _table(recipe: Recipe) -> SweepTable:
    """Return the table ``[sweep]``.

    Raises:
        RecipeError: there is none.
    """
    if recipe.sweep is None:
        message = 'missing; expected a table such as [sweep] with "head.dropout" = [0.0, 0.2, 0.5]'
        raise RecipeError([Problem("sweep", message, recipe.file)])
    return recipe.sweep.table


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


def _round(recipe: Recipe, folder: SweepFolder, registry: Registry, workers: Cluster | None) -> int:
    """Return the number of trials that are chosen together: as the recipe says, as before, or by the workers."""
    assert recipe.sweep is not None
    if recipe.sweep.table.round is not None:
        return recipe.sweep.table.round
    if folder.recipe.is_file():
        before = load_recipe(folder.recipe, registry).sweep
        return before.table.round or 1 if before is not None else 1
    return default_round(recipe.sweep, 1 if workers is None else workers.room)


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
