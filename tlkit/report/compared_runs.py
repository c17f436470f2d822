"""Run folders read for a comparison: finished and unfinished runs, without loading their models."""

from __future__ import annotations

import json
import math
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tlkit.errors import RecipeError, RunError
from tlkit.evaluation.metrics import TABLES
from tlkit.recipe.messages import show
from tlkit.recipe.monitor import Monitor, choose_monitor
from tlkit.recipe.renamed import with_current_names
from tlkit.recipe.schema import TrainTable
from tlkit.recipe.source import parse_toml
from tlkit.runs.folder import RunFolder
from tlkit.runs.history import History, read_history
from tlkit.runs.secrets import without_secrets


@dataclass(frozen=True)
class ComparedRun:
    """A run in a comparison.

    Args:
        label: the folder's name, with as many of its parents as distinguish it from the others.
        path: the folder.
        settings: the recipe as it was run, with all defaults if they are known for all compared runs.
        history: the run's history, possibly without epochs.
        monitor: the metric that decides which epoch is the best; None before the first epoch.
        best_epoch: the epoch whose weights the model has, or would have if the run ended now; None before the first.
        metrics: split → final metrics; None for an unfinished run.
        weights: the number of weights of the model; None if there is no model.
    """

    label: str
    path: Path
    settings: Mapping[str, Any]
    history: History
    monitor: Monitor | None
    best_epoch: int | None
    metrics: Mapping[str, Mapping[str, Any]] | None
    weights: int | None

    @property
    def finished(self) -> bool:
        """True if the run has its final metrics."""
        return self.metrics is not None

    @property
    def title(self) -> str:
        """The label, marked if the run is unfinished."""
        return self.label if self.finished else f"{self.label} (unfinished)"

    @property
    def best_value(self) -> float | None:
        """The best value of the monitor over all epochs."""
        if self.monitor is None:
            return None
        values = [value for value in self.history.columns[self.monitor.name] if not math.isnan(value)]
        return (min if self.monitor.mode == "min" else max)(values, default=None)

    def part(self, table: str) -> str:
        """Return the name that a table of the recipe selects, such as the backbone's."""
        values = self.settings.get(table)
        return str(values.get("name", "–")) if isinstance(values, Mapping) else "–"


def open_runs(paths: Sequence[Path]) -> list[ComparedRun]:
    """Read run folders; a folder that is given twice is read once.

    Raises:
        RunError: a folder is not a run folder, or a file in it is damaged.
    """
    named: dict[Path, RunFolder] = {}
    for path in paths:
        named.setdefault(path.resolve(), RunFolder(path))
    folders = list(named.values())
    for folder in folders:
        _check(folder)
    settings = [_settings(folder) for folder in folders]
    known = [each for each in settings if each is not None]
    # If the defaults of one run are unknown, all runs are compared without them.
    used = known if len(known) == len(folders) else [_recipe(folder) for folder in folders]
    names = distinct_labels([folder.path for folder in folders])
    return [_open(folder, name, table) for folder, name, table in zip(folders, names, used, strict=True)]


def distinct_labels(paths: Sequence[Path]) -> list[str]:
    """Return the names of different folders; equal names get as many parents as distinguish them."""
    parts = [path.resolve().parts for path in paths]
    labels = []
    for own in parts:
        length = 1
        while length < len(own) and sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        labels.append("/".join(own[-length:]))
    return labels


def _check(folder: RunFolder) -> None:
    if not folder.path.is_dir():
        raise RunError(f"{folder.path}: no such run folder; expected the folder that tlkit run printed")
    folder.refuse_links()
    if not folder.history.is_file():
        hint = "the run has not trained yet" if folder.recipe.is_file() else folder.what_else()
        raise RunError(f"{folder.path}: has no {folder.history.name}: {hint}")


def _settings(folder: RunFolder) -> Mapping[str, Any] | None:
    """Return the recipe with all defaults from ``environment.json``; None if they are unknown."""
    if not folder.environment.is_file():
        return None
    environment = folder.read_json(folder.environment)
    settings = environment.get("settings") if isinstance(environment, dict) else None
    return with_current_names(without_secrets(settings)) if isinstance(settings, dict) else None


def _recipe(folder: RunFolder) -> Mapping[str, Any]:
    try:
        return with_current_names(without_secrets(parse_toml(folder.recipe_text())))
    except tomllib.TOMLDecodeError as error:
        raise RunError(f"{folder.recipe}: not TOML ({error}); the file is damaged") from error


def _open(folder: RunFolder, label: str, settings: Mapping[str, Any]) -> ComparedRun:
    history = read_history(folder.history)
    monitor, epoch = _best(folder, settings, history)
    metrics = _final_metrics(folder)
    if metrics is not None:
        metrics = {split: _with_cross_entropy(values, settings) for split, values in metrics.items()}
    return ComparedRun(label, folder.path, settings, history, monitor, epoch, metrics, _count_weights(folder.model))


def _with_cross_entropy(values: Mapping[str, Any], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return final metrics in which the cross-entropy is ``cross_entropy``, and ``loss`` is the recipe's loss if known.

    Until tlkit 0.2.0 ``loss`` is the cross-entropy whatever the recipe's loss was.
    """
    if "cross_entropy" in values or "loss" not in values:
        return values
    others = {name: value for name, value in values.items() if name != "loss"}
    known = {"loss": values["loss"]} if loss_setting(settings) in (None, "binary_crossentropy") else {}
    return {**known, "cross_entropy": values["loss"], **others}


def loss_setting(settings: Mapping[str, Any]) -> Any:
    """Return ``train.loss`` of a recipe's plain values, its name if it has no arguments; None: the cross-entropy."""
    train = settings.get("train")
    loss = train.get("loss") if isinstance(train, Mapping) else None
    if isinstance(loss, Mapping) and list(loss) == ["name"]:
        loss = loss["name"]
    return None if loss in ("categorical_crossentropy", "sparse_categorical_crossentropy") else loss


def _best(folder: RunFolder, settings: Mapping[str, Any], history: History) -> tuple[Monitor | None, int | None]:
    if not history.epochs:
        return None, None
    try:
        table = TrainTable.model_validate_json(json.dumps(settings.get("train", {}), default=str))
        task: Any = settings.get("task")
        monitor = choose_monitor(table, task, list(history.columns))
    except (ValidationError, RecipeError) as error:
        raise RunError(
            f"{folder.recipe}: [train] does not match this version of tlkit or {folder.history}: {error}"
        ) from error
    return monitor, best_epoch(history, monitor, restore_best=table.restore_best)


def best_epoch(history: History, monitor: Monitor, *, restore_best: bool) -> int:
    """Return the epoch whose weights the model has after training, from 1.

    Each phase ends with the weights of its best epoch. If the monitor is a validation metric and no epoch of a phase
    improves on the phase before, it ends with the weights that it started with.

    Args:
        history: a history with at least one epoch.
        monitor: the metric that decides which epoch is the best.
        restore_best: the recipe's ``train.restore_best``.
    """
    if not restore_best:
        return history.epochs[-1]
    values = history.columns[monitor.name]
    chosen, best = history.epochs[-1], None
    for start, end in zip(history.starts, [*history.starts[1:], len(values)], strict=True):
        if best is None or not monitor.name.startswith("val_"):
            chosen, best = history.epochs[end - 1], None
        for epoch, value in zip(history.epochs[start:end], values[start:end], strict=True):
            if monitor.better(value, best):
                chosen, best = epoch, value
    return chosen


def _final_metrics(folder: RunFolder) -> Mapping[str, Mapping[str, Any]] | None:
    if not folder.metrics.is_file():
        return None
    splits = folder.read_json(folder.metrics)
    if not isinstance(splits, dict) or not all(isinstance(values, dict) for values in splits.values()):
        raise RunError(f"{folder.metrics}: expected one table of metrics per split; the file is damaged")
    for split, values in splits.items():
        for name, value in values.items():
            table = name in TABLES
            fits = isinstance(value, dict) if table else value is None or _is_number(value)
            if not fits:
                raise RunError(
                    f"{folder.metrics}: {split}.{name}: expected {'a table' if table else 'a number'}, "
                    f"received {show(value)}; the file is damaged"
                )
    return splits


def _is_number(value: Any) -> bool:
    """Return True if the value can be shown as a decimal number."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def _count_weights(model: Path) -> int | None:
    """Count the weights in a ``.keras`` file, without TensorFlow; None if there is no file."""
    import h5py

    from tlkit.models.allowed import NotAllowed
    from tlkit.models.archive import DAMAGED, check_entries, check_sums
    from tlkit.models.safe_weights import HDF5_ERRORS, arrays

    if not model.is_file():
        return None
    try:
        with zipfile.ZipFile(model) as archive:
            check_entries(archive)
            check_sums(archive)
            entry = archive.getinfo("model.weights.h5")
            with archive.open(entry) as file, h5py.File(file) as weights:
                return sum(
                    int(array.size)
                    for name, array in arrays(weights, entry.file_size, max_texts=1)
                    if name.startswith("layers/") and "seed_generator" not in name
                )
    except NotAllowed as error:
        raise RunError(f"{model}: {error}; tlkit did not write this file") from error
    except (*DAMAGED, *HDF5_ERRORS) as error:
        raise RunError(f"{model}: can't be read: {error}; the file is damaged or not a model") from error
