"""Cross-validations beside runs in a comparison: each is one row, the mean of its folds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tlkit.errors import RunError
from tlkit.report.compared_runs import ComparedRun, distinct_labels, open_runs
from tlkit.report.fold_metrics import fold_metrics
from tlkit.runs.folds import FoldsFolder
from tlkit.runs.history import History


@dataclass(frozen=True)
class ComparedFolds(ComparedRun):
    """A cross-validation in a comparison. Histories, metrics and the best value are means over its folds.

    Args:
        folds: the folds that have begun.
        count: the number of folds.
    """

    folds: tuple[ComparedRun, ...]
    count: int

    @property
    def title(self) -> str:
        """The label, and how many folds it is the mean of."""
        of = f"{len(self.folds)} of {self.count}" if len(self.folds) < self.count else str(self.count)
        return f"{self.label} (mean of {of} folds{'' if self.finished else ', unfinished'})"

    @property
    def best_value(self) -> float | None:
        """The mean of the folds' best values of the monitor."""
        values = [fold.best_value for fold in self.folds if fold.best_value is not None]
        return statistics.fmean(values) if values else None


def open_compared(paths: Sequence[Path]) -> list[ComparedRun]:
    """Read run folders and folders of cross-validations; a cross-validation alone is followed by its folds.

    Raises:
        RunError: a folder is neither, a file in it is damaged, or no fold has begun.
    """
    unique = list({path.resolve(): path for path in paths}.values())
    folds = {path: _begun(path) for path in unique if FoldsFolder(path).count}
    needed = [each for path in unique for each in folds.get(path, [path])]
    opened = {path.resolve(): run for path, run in zip(_unique(needed), open_runs(needed), strict=True)}
    labels = distinct_labels(unique)
    runs: list[ComparedRun] = []
    for path, label in zip(unique, labels, strict=True):
        if path not in folds:
            runs.append(replace(opened[path.resolve()], label=label))
            continue
        members = [_without_splits(opened[each.resolve()], f"{label}/{each.name}") for each in folds[path]]
        runs.append(_mean(path, label, members))
        runs += members if len(unique) == 1 else []
    return runs


def _unique(paths: Sequence[Path]) -> list[Path]:
    return list({path.resolve(): path for path in paths}.values())


def _begun(path: Path) -> list[Path]:
    """Return the folders of the folds that have finished an epoch, or begun to."""
    begun = [each.path for each in FoldsFolder(path).folds() if each.history.is_file()]
    if not begun:
        raise RunError(f"{path}: none of its folds has trained yet; there is nothing to compare")
    return begun


def _without_splits(run: ComparedRun, label: str) -> ComparedRun:
    """Return a fold without the table of its splits, in which it differs from the others by design."""
    table: Mapping[str, Any] = run.settings.get("input", {})
    rest = {key: value for key, value in table.items() if key != "samples"}
    return replace(run, label=label, settings={**run.settings, "input": rest})


def _mean(path: Path, label: str, folds: Sequence[ComparedRun]) -> ComparedFolds:
    metrics, count = None, FoldsFolder(path).count
    done = [fold.metrics for fold in folds if fold.metrics is not None]
    if len(done) == count:
        splits = [split for split in done[0] if all(split in each for each in done)]
        metrics = {split: fold_metrics([each[split] for each in done]).mean for split in splits}
    return ComparedFolds(
        label=label,
        path=path,
        settings=folds[0].settings,
        history=_mean_history([fold.history for fold in folds]),
        monitor=next((fold.monitor for fold in folds if fold.monitor is not None), None),
        best_epoch=None,
        metrics=metrics,
        weights=next((fold.weights for fold in folds if fold.weights is not None), None),
        folds=tuple(folds),
        count=count,
    )


def _mean_history(histories: Sequence[History]) -> History:
    """Return the mean of the epochs that all histories have, with the seconds of all of them together."""
    length = min(len(each.epochs) for each in histories)
    names = [name for name in histories[0].columns if all(name in each.columns for each in histories)]

    def means(columns: Sequence[Sequence[float]]) -> tuple[float, ...]:
        return tuple(statistics.fmean(values) for values in zip(*[each[:length] for each in columns], strict=True))

    return History(
        phases=histories[0].phases[:length],
        epochs=histories[0].epochs[:length],
        columns={name: means([each.columns[name] for each in histories]) for name in names},
        learning_rates=means([each.learning_rates for each in histories]),
        seconds=tuple(len(histories) * each for each in means([each.seconds for each in histories])),
    )
