"""``tlkit run --folds``: train a recipe once per fold, and put the results together."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tlkit.cluster.ray_cluster import ClusterOptions, cluster_options, perhaps_joined, reachable
from tlkit.errors import Problem, RecipeError, RunError, TlkitError
from tlkit.jobs import from_recipe
from tlkit.jobs.folds.commands import FoldCommand, fold_command
from tlkit.jobs.folds.display import FoldsDisplay
from tlkit.jobs.folds.placed import makes_processes
from tlkit.jobs.folds.processes import run_fold
from tlkit.jobs.folds.results import FoldsResult, write_results
from tlkit.jobs.folds.splits import fold_notes, fold_splits
from tlkit.recipe import catalog
from tlkit.recipe.load import load_recipe
from tlkit.recipe.portable import portable_text
from tlkit.recipe.schema import Recipe
from tlkit.recipe.sweep_space import without_tables
from tlkit.registry import Registry
from tlkit.registry.discovery import copied
from tlkit.runs.disk_errors import explain_disk_errors
from tlkit.runs.folder import create_run_folder
from tlkit.runs.folds import FoldsFolder
from tlkit.runs.lock import LOCK, BusyError, locked
from tlkit.runs.profile import added_up, intact_profile, profile_text
from tlkit.system.disk import FullDiskError, write_atomically
from tlkit.system.progress import Reporter
from tlkit.system.signals import interruptible
from tlkit.system.terminal import Terminal
from tlkit.system.text import listed


@dataclass(frozen=True)
class FoldOptions:
    """How the folds are run.

    Args:
        jobs: the number of folds to run at the same time.
        deterministic: use deterministic operations only; slower.
        profile: write where the time of each fold went, and print the sum over all folds.
        cluster: the cluster that runs them, as ``--cluster`` names it; None for that of the recipe, if any.
    """

    jobs: int = 1
    deterministic: bool = False
    profile: bool = False
    cluster: str | None = None


def cross_validate(
    recipe: str | Path,
    count: int,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    *,
    registry: Registry,
    options: FoldOptions = FoldOptions(),
    quiet: bool = False,
) -> FoldsResult:
    """Train a recipe ``count`` times, each time validating on another part of the images that are not test images.

    scikit-learn makes the folds from the recipe's seed, stratified, with groups kept together; they do not depend on
    the order of files. Given the folder of an interrupted cross-validation, only the folds that are missing are run.

    Args:
        recipe: a recipe file, or the name of a shipped recipe.
        count: the number of folds, at least 2.
        overrides: ``key=value`` as ``tlkit run --set`` takes them.
        out: the folder; None for ``runs/<recipe>-folds-<n>``.
        registry: the plugins, which each fold loads as well.
        options: how the folds are run.
        quiet: print nothing.

    Raises:
        RecipeError: the recipe is not valid, or takes its splits from ``input.samples``.
        DataError: the data or the cluster can't be used, or a fold would have no training image of a class.
        PluginError: a plugin exists only in this process.
        RunError: the folder can't be used, or a fold failed; the other folds are finished.
        BusyError: another process works in the folder or in one of the folds, and went on for two minutes.
        Interrupted: by SIGINT, SIGTERM or SIGHUP; the folds in progress have saved their state.
    """
    console = Terminal(quiet=quiet)
    used = copied(registry)
    checked = load_recipe(catalog.resolve(Path(recipe)), used, overrides)
    if checked.input.samples is not None:
        raise RecipeError([Problem("input.samples", "it names the validation images itself; expected none with folds")])
    command = replace(fold_command(registry, used, deterministic=options.deterministic), profile=options.profile)
    from_recipe.refuse_missing_files(checked)
    from_recipe.refuse_missing_engine(checked, overrides)
    chosen = reachable(cluster_options(options.cluster, checked.cluster))
    started = out is not None and FoldsFolder(Path(out)).recipe.is_file()
    new = out is None or not Path(out).exists()
    path = Path(out) if started and out is not None else _new_folder(checked.name, out)
    folder = FoldsFolder(path)
    with interruptible(_again(path)), locked(path), explain_disk_errors(path):
        _remove_leftovers(path)
        plain = without_tables(portable_text(checked), "cluster")  # The folds must not place work themselves.
        text = f"# tlkit run --folds {count}{' --deterministic' * options.deterministic}\n{plain}"
        if started:
            _check_same(folder, text)
        else:
            with _removed_if_refused(path) if new else nullcontext():
                _write_folds(checked, count, folder, console)
            # Written last: the folder has all folds.
            write_atomically(folder.recipe, text)
        _run_folds(folder, command, _Places(count, options.jobs, chosen), console)
        result = _results(path, console)
    _say_what_came_of_it(folder, result, console)
    return result


def _again(path: Path) -> str:
    return f"To continue: the same command with --out {path}"


@contextmanager
def _removed_if_refused(path: Path) -> Iterator[None]:
    """Remove a new folder if its folds can't be made: it holds nothing that the user had or could use."""
    try:
        yield
    except FullDiskError:
        raise
    except TlkitError:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _check_same(folder: FoldsFolder, text: str) -> None:
    """Check that the folds in a folder are those of the same command.

    Raises:
        RunError: they are of another recipe, another number, or with or without deterministic operations.
    """
    before = folder.recipe.read_text(encoding="utf-8")
    if before == text:
        return
    command, other = (each.partition("\n")[0].removeprefix("# ") for each in (before, text))
    what = "another recipe or another number" if command == other else f'"{command}", not of "{other}"'
    raise RunError(f"{folder.path}: its folds are of {what}; give another folder with --out")


def _remove_leftovers(path: Path) -> None:
    """Remove the images that a process had decoded when it was killed."""
    for left in path.glob(".data-*"):
        shutil.rmtree(left, ignore_errors=True)


def _say_what_came_of_it(folder: FoldsFolder, result: FoldsResult, console: Terminal) -> None:
    for table in result.tables():
        console.print(table)
    if files := [run.profile for run in folder.folds() if run.profile.is_file()]:
        profiles = [intact_profile(file) for file in files]
        console.print(profile_text(added_up(times for commands, _ in profiles for times in commands)))
        for damage in filter(None, (each for _, each in profiles)):
            console.print(f"  note: its times are left out: {damage}")
    validated, tested = result.counts["validation"], result.counts["test"]
    if folder.predictions.is_file():
        without = f"; the {tested} test images are in none of the folds, and not in this table" if tested else ""
        whom = f"{validated} images" if tested else f"all {validated} images"
        console.print(
            f"Predictions of {whom}, each by the model that did not train on it: {folder.predictions}{without}",
        )
    together = f"The models of all folds together: tlkit predict {folder.path} …"
    if result.apart:
        together = (
            f"The models of the folds can't be used together: their {result.apart} differs. For value_range, set "
            "input.value_range to two numbers"
        )
    console.print(together)
    console.print(f"Open {folder.together.report} in a browser.")


def _results(path: Path, console: Terminal) -> FoldsResult:
    """Put the results of the folds together."""
    with Reporter(console) as reporter, reporter.stage("putting the results of the folds together"):
        return write_results(path)


def _write_folds(recipe: Recipe, count: int, folder: FoldsFolder, console: Terminal) -> None:
    """Split the data into folds, and write each as ``fold-<n>.csv``."""
    console.print(f"Folds: {folder.path}")
    with tempfile.TemporaryDirectory(prefix=".data-", dir=folder.path) as store:
        with Reporter(console) as reporter, reporter.stages("looking for images") as show:
            data = from_recipe.open_data(
                recipe, Path(store), partial(show, "decoding images"), checking=partial(show, "checking files")
            )
        folds = fold_splits(data, count, recipe.seed)
        for note in fold_notes(data, folds):
            console.print(f"  note: {note}")
        for number, splits in enumerate(folds, 1):
            replace(data, splits=splits).write_samples_csv(folder.splits(number))


@dataclass(frozen=True)
class _Places:
    """How many folds there are, how many run at the same time on this machine, and which cluster runs them instead."""

    count: int
    jobs: int
    cluster: ClusterOptions | None


def _run_folds(folder: FoldsFolder, command: FoldCommand, places: _Places, console: Terminal) -> None:
    """Run all folds, some at a time, each in a process of its own.

    Raises:
        DataError: the cluster can't be used.
        RunError: a fold failed.
        BusyError: no fold failed, but another process works in one of them.
        Interrupted: by SIGINT, SIGTERM or SIGHUP.
    """
    count = places.count

    def run(number: int) -> int:
        display.started(number, str(folder.fold(number).path))
        code = run_fold(folder, number, command, processes, partial(display.said, number))
        display.ended(number, code, stopped=processes.stopped)
        return code

    with (
        perhaps_joined(places.cluster, console.print) as cluster,
        FoldsDisplay(console, count) as display,
        ThreadPoolExecutor(max(1, places.jobs if cluster is None else cluster.room)) as pool,
    ):
        processes = makes_processes(cluster)()
        try:
            codes = list(pool.map(run, range(1, count + 1)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.stop()
            raise
    busy = [number for number, code in enumerate(codes, 1) if code == BusyError.exit_code]
    failed = [str(folder.log(number)) for number, code in enumerate(codes, 1) if code and number not in busy]
    again = f"The same command with --out {folder.path} continues with the folds that are missing"
    aside = f"; another process works in {listed([f'fold-{number}' for number in busy])}" if busy else ""
    if failed:
        raise RunError(
            f"{len(failed)} of {count} folds failed{aside}; the others are finished. The reasons are in "
            f"{', '.join(failed)}. {again}"
        )
    if busy:
        raise BusyError(f"{folder.path}{aside.replace(';', ':')}; the others are finished. {again}")


def _new_folder(name: str, out: str | Path | None) -> Path:
    folder = None if out is None else Path(out)
    if folder is not None and (folder / LOCK).is_file():
        # A cross-validation that was killed before its folds were written leaves only these.
        patterns = (LOCK, ".data-*", ".fold-*", ".folds.toml-*", "fold-*.csv")
        leftovers = {each.name for pattern in patterns for each in folder.glob(pattern)}
        if {each.name for each in folder.iterdir()} <= leftovers:
            return folder
    return create_run_folder(f"{name}-folds", folder).path
