"""Cross-validation: a run, in a process of its own, for each fold; and what all of them say together."""

from __future__ import annotations

import csv
import io
import json
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

from tlkit.errors import DataError, Problem, RecipeError, RunError
from tlkit.jobs import parts
from tlkit.recipe import catalog
from tlkit.recipe.load import load_recipe
from tlkit.recipe.portable import portable_text
from tlkit.registry import Registry
from tlkit.runs.disk_errors import explain_disk_errors
from tlkit.runs.folder import RunFolder, create_run_folder
from tlkit.runs.lock import locked
from tlkit.runs.reading import read_run_table
from tlkit.system.disk import write_atomically
from tlkit.system.signals import Interrupted, Signals

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from tlkit.data.run_data import Data


@dataclass(frozen=True)
class FoldsResult:
    """What a cross-validation gives back.

    Args:
        folder: with a run folder for each fold, ``folds.json`` and, of a classification, ``predictions.csv``.
        folds: the validation metrics of each fold.
        mean, deviation: of each metric over the folds; the deviation is that of a sample (n - 1).
    """

    folder: Path
    folds: tuple[Mapping[str, float], ...]
    mean: Mapping[str, float]
    deviation: Mapping[str, float]


def cross_validate(
    recipe: str | Path,
    count: int,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    *,
    registry: Registry,
    jobs: int = 1,
    quiet: bool = False,
) -> FoldsResult:
    """Train a recipe ``count`` times, each time validating on another part of the images that are not test images.

    The folds are made by scikit-learn from the recipe's seed: stratified by class; groups stay together. They do not
    depend on the order of the files, and are written down as ``fold-1.csv``, … Given the folder of a cross-validation
    that was stopped, it goes on with what is missing.

    Args:
        recipe: a recipe's file, or the name of a shipped recipe.
        count: of the folds, at least 2.
        overrides: ``key=value`` as ``tlkit run --set`` takes them.
        out: the folder; None for ``runs/<recipe>-folds-<n>``.
        registry: the plugins.
        jobs: folds that are run at the same time.
        quiet: print nothing.

    Raises:
        RecipeError: the recipe is not valid, or has splits of its own by ``input.samples``.
        DataError: the data can't be used, or a fold would lack a class.
        RunError: the folder can't be used, or a fold failed; the others stand.
        Interrupted: by SIGINT or SIGTERM; the folds that were being run have saved their state.
    """
    from rich.console import Console

    console = Console(quiet=quiet, highlight=False, soft_wrap=True)
    checked = load_recipe(catalog.resolve(Path(recipe)), registry, overrides)
    if checked.input.samples is not None:
        raise RecipeError([Problem("input.samples", "it says which images validate; folds are another way to say so")])
    begun = out is not None and (Path(out) / "folds.toml").is_file()
    folder = Path(out) if begun and out is not None else _new_folder(checked.name, out)
    with locked(folder), explain_disk_errors(folder):
        text = f"# tlkit run --folds {count}\n{portable_text(checked)}"
        if begun and (folder / "folds.toml").read_text(encoding="utf-8") != text:
            raise RunError(f"{folder}: the folds in it are of another recipe or number; give another folder with --out")
        if not begun:
            console.print(f"Folds: {folder}", markup=False)
            with tempfile.TemporaryDirectory(prefix=".data-", dir=folder) as store:
                data = parts.open_data(checked, Path(store))
                made = fold_splits(data, count, checked.seed)
                for note in fold_notes(data, made):
                    console.print(f"  note: {note}", markup=False)
                for number, splits in enumerate(made, 1):
                    replace(data, splits=splits).write_samples_csv(folder / f"fold-{number}.csv")
            # Written last: the folds are all there.
            write_atomically(folder / "folds.toml", text)
        plugins = [each.plugin for each in registry.sources.values() if each.distribution is None]

        children = _Children()

        def run(number: int) -> int:
            console.print(f"  fold {number} of {count}: {folder / f'fold-{number}'}", markup=False)
            return _run_fold(folder, number, plugins, children)

        with Signals().handled(), ThreadPoolExecutor(max(1, jobs)) as pool:
            try:
                codes = list(pool.map(run, range(1, count + 1)))
            except Interrupted as stopped:
                pool.shutdown(wait=False, cancel_futures=True)
                children.stop()
                stopped.args = (f"{stopped} To go on: the same command with --out {folder}",)
                raise
        failed = [number for number, code in enumerate(codes, 1) if code]
        if failed:
            named = ", ".join(str(folder / f"fold-{number}.log") for number in failed)
            raise RunError(
                f"{len(failed)} of {count} folds failed; the others stand. Why is in {named}. The same command with "
                f"--out {folder} goes on with those that are missing"
            )
        result = _result(folder, count)
    console.print(_table(result))
    predictions = folder / "predictions.csv"
    if predictions.is_file():
        console.print(f"Predictions of every image by the model that did not see it: {predictions}", markup=False)
    return result


def fold_splits(data: Data, count: int, seed: int) -> list[np.ndarray]:
    """The splits of each fold.

    Args:
        data: whose images that are not test images, nor left out, are parted.
        count: of the folds.
        seed: of the recipe.

    Returns:
        for each fold, str (N,) as ``Data.splits``.

    Raises:
        DataError: there are fewer images, groups or images of a class than folds, or a fold could not train a class.
    """
    import numpy as np
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    rows = np.flatnonzero(np.isin(data.splits, ("train", "validation")))
    rows = rows[np.argsort([data.samples[row].key for row in rows], kind="stable")]
    # An image without a group is a group of its own.
    groups = [data.groups[row] or f"\0{data.samples[row].key}" for row in rows]
    grouped = len(set(groups)) < len(groups)
    if len(set(groups)) < count:
        raise DataError(f"--folds {count}: there are only {len(set(groups))} {'groups' if grouped else 'images'}")
    labels = None if data.labels is None or data.labels.ndim == 2 else data.labels[rows]
    options: dict[str, Any] = {"n_splits": count, "shuffle": True, "random_state": seed}
    if labels is not None:
        counts = np.bincount(labels, minlength=len(data.classes))
        few = [f"{name} ({number})" for name, number in zip(data.classes, counts, strict=True) if number < count]
        if few:
            raise DataError(
                f"--folds {count}: fewer images than folds of {', '.join(few[:8])}; expected {count} or more"
            )
        of_class = [{groups[place] for place in np.flatnonzero(labels == number)} for number in range(len(counts))]
        lone = [name for name, found in zip(data.classes, of_class, strict=True) if len(found) < 2]
        if lone:
            raise DataError(
                f"--folds {count}: all images of {', '.join(lone[:8])} are in one group, so the fold that validates "
                "on it would not train the class; expected two groups or more of each class. Files of the same picture "
                "form a group too"
            )
        splitter = StratifiedGroupKFold(**options) if grouped else StratifiedKFold(**options)
    else:
        splitter = GroupKFold(**options) if grouped else KFold(**options)
    made = []
    for _, held in splitter.split(rows, labels, groups if grouped else None):
        splits = data.splits.copy()
        splits[rows] = "train"
        splits[rows[held]] = "validation"
        made.append(splits)
    if labels is not None:
        for number, splits in enumerate(made, 1):
            if lacking := _lacking(data, splits, "train"):
                raise DataError(
                    f"--folds {count}: fold {number} would have no training image of {', '.join(lacking[:8])}; give "
                    "another seed, fewer folds, or smaller groups"
                )
    return made


def fold_notes(data: Data, made: Sequence[np.ndarray]) -> list[str]:
    """The classes that some folds lack.

    Args:
        data: of which the folds are made.
        made: as ``fold_splits`` returns them.
    """
    notes = []
    for split, verb in (("train", "trains no"), ("validation", "validates on no")):
        for number, splits in enumerate(made, 1):
            if lacking := _lacking(data, splits, split):
                notes.append(f"fold {number} {verb} image of {', '.join(lacking[:8])}")
    return notes


def _lacking(data: Data, splits: np.ndarray, split: str) -> list[str]:
    """The classes of which a split has no image, though there are some."""
    if data.labels is None:
        return []
    import numpy as np

    hot = data.labels if data.labels.ndim == 2 else np.eye(len(data.classes))[data.labels]
    have, there = hot[splits == split].sum(0), hot[np.isin(splits, ("train", "validation"))].sum(0)
    return [name for name, some, all_ in zip(data.classes, have, there, strict=True) if all_ and not some]


def _new_folder(name: str, out: str | Path | None) -> Path:
    if (
        out is not None
        and Path(out).is_dir()
        and {each.name for each in Path(out).iterdir()} <= _of_a_beginning(Path(out))
    ):
        return Path(out)
    return create_run_folder(f"{name}-folds", None if out is None else Path(out)).path


def _of_a_beginning(folder: Path) -> set[str]:
    """What is left of a cross-validation that was killed before its folds were written down."""
    return {".lock", *(each.name for pattern in (".*", "fold-*.csv") for each in folder.glob(pattern))}


class _Children:
    """The processes of the folds that are being run."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []
        self._stopped = False
        self._lock = Lock()

    def run(self, command: Sequence[str], log: IO[bytes]) -> int:
        """Run a command to its end; none is begun once they were stopped.

        Returns:
            its exit code.
        """
        with self._lock:
            if self._stopped:
                return 128 + signal.SIGTERM
            # In a group of its own: Ctrl-C at the terminal is ours to hand on, a second one would end it at once.
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # of Windows
            )
            self._running.append(process)
        return process.wait()

    def stop(self) -> None:
        """Have each save its state and end."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                if process.poll() is None:
                    process.terminate()
        for process in self._running:
            process.wait()


def _run_fold(folder: Path, number: int, plugins: Sequence[str], children: _Children) -> int:
    run = folder / f"fold-{number}"
    if (run / "report.html").is_file() and (run / "metrics.json").is_file():
        return 0
    command = [sys.executable, "-m", "tlkit"]
    for plugin in plugins:
        command += ["--plugin", str(Path(plugin).resolve())]
    if (run / "recipe.toml").is_file():
        command += ["resume", str(run)]
    else:
        samples = json.dumps((folder / f"fold-{number}.csv").resolve().as_posix(), ensure_ascii=False)
        command += ["run", str(folder / "folds.toml"), "--out", str(run), "--set", f"input.samples={samples}"]
    with (folder / f"fold-{number}.log").open("ab") as log:
        return children.run(command, log)


def _result(folder: Path, count: int) -> FoldsResult:
    folds = []
    table = io.StringIO(newline="")
    writer: Any = None
    for number in range(1, count + 1):
        run = RunFolder(folder / f"fold-{number}")
        validation = run.read_json(run.metrics)["validation"]
        folds.append({name: value for name, value in validation.items() if isinstance(value, float)})
        predictions = run.path / "predictions.csv"  # of a classification
        for row in read_run_table(predictions) if predictions.is_file() else ():
            if row.pop("split") == "validation":
                if writer is None:
                    writer = csv.DictWriter(table, ["fold", *row])
                    writer.writeheader()
                writer.writerow({"fold": number, **row})
    names = [name for name in folds[0] if all(name in each for each in folds)]
    mean = {name: statistics.fmean(each[name] for each in folds) for name in names}
    deviation = {name: statistics.stdev(each[name] for each in folds) for name in names}
    result = FoldsResult(folder, tuple(folds), mean, deviation)
    values = {"folds": folds, "mean": mean, "standard_deviation": deviation}
    write_atomically(folder / "folds.json", json.dumps(values, indent=2) + "\n")
    if writer is not None:
        write_atomically(folder / "predictions.csv", table.getvalue().encode())
    return result


def _table(result: FoldsResult) -> Table:
    from rich.table import Table

    table = Table(title="validation")
    table.add_column("fold")
    for name in result.mean:
        table.add_column(name, justify="right")
    for number, fold in enumerate(result.folds, 1):
        table.add_row(str(number), *(f"{fold[name]:.4f}" for name in result.mean))
    table.add_section()
    table.add_row("mean", *(f"{value:.4f}" for value in result.mean.values()))
    table.add_row("standard deviation", *(f"{value:.4f}" for value in result.deviation.values()))
    return table
