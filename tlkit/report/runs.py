"""Run folders read for a comparison: without their models, and also those of runs that have not ended."""

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
from tlkit.recipe.messages import show
from tlkit.recipe.monitor import Monitor, choose_monitor
from tlkit.recipe.renamed import with_current_names
from tlkit.recipe.schema import TrainTable
from tlkit.recipe.source import parse_toml
from tlkit.runs.folder import RunFolder
from tlkit.runs.history import History, read_history


@dataclass(frozen=True)
class ComparedRun:
    """What a comparison knows of a run.

    Args:
        label: the folder's name, with as many of its parents as tell it from the others.
        settings: the recipe as it was run, with all defaults where the folder has them.
        history: of the run, perhaps without epochs.
        monitor: what chose the best epoch.
        kept: the epoch whose weights the run kept, or would keep if it ended now; None before the first.
        metrics: split → final metrics; None for a run that has not ended.
        weights: how many the model has; None where there is no model.
    """

    label: str
    settings: Mapping[str, Any]
    history: History
    monitor: Monitor | None
    kept: int | None
    metrics: Mapping[str, Mapping[str, Any]] | None
    weights: int | None

    @property
    def finished(self) -> bool:
        """Whether the run has its final metrics."""
        return self.metrics is not None

    @property
    def title(self) -> str:
        """The label, and that the run is unfinished if it is."""
        return self.label if self.finished else f"{self.label} (unfinished)"

    @property
    def best(self) -> float | None:
        """The best value of the monitor in any epoch."""
        if self.monitor is None:
            return None
        values = [value for value in self.history.columns[self.monitor.name] if not math.isnan(value)]
        return (min if self.monitor.mode == "min" else max)(values, default=None)

    def part(self, table: str) -> str:
        """The name that a table of the recipe selects, such as the backbone's."""
        found = self.settings.get(table)
        return str(found.get("name", "–")) if isinstance(found, Mapping) else "–"


def open_runs(paths: Sequence[Path]) -> list[ComparedRun]:
    """Read run folders; one that is named twice is read once.

    Raises:
        RunError: a folder is no run folder, or a file of it is damaged.
    """
    named: dict[Path, RunFolder] = {}
    for path in paths:
        named.setdefault(path.resolve(), RunFolder(path))
    folders = list(named.values())
    for folder in folders:
        _check(folder)
    settings = [_settings(folder) for folder in folders]
    known = [each for each in settings if each is not None]
    # Where one run's defaults are not known, all are compared without them.
    used = known if len(known) == len(folders) else [_recipe(folder) for folder in folders]
    names = labels([folder.path for folder in folders])
    return [_open(folder, name, table) for folder, name, table in zip(folders, names, used, strict=True)]


def labels(paths: Sequence[Path]) -> list[str]:
    """The names of different folders, those of the same name with as many parents as tell them apart."""
    parts = [path.resolve().parts for path in paths]
    found = []
    for own in parts:
        length = 1
        while length < len(own) and sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        found.append("/".join(own[-length:]))
    return found


def _check(folder: RunFolder) -> None:
    if not folder.path.is_dir():
        raise RunError(f"{folder.path}: no such run folder; expected the folder that tlkit run printed")
    folder.refuse_links()
    if not folder.history.is_file():
        hint = "the run in it has not begun to train" if folder.recipe.is_file() else "it is not a run folder of tlkit"
        raise RunError(f"{folder.path}: has no {folder.history.name}: {hint}")


def _settings(folder: RunFolder) -> Mapping[str, Any] | None:
    """The recipe with all defaults, which ``environment.json`` has."""
    if not folder.environment.is_file():
        return None
    environment = folder.read_json(folder.environment)
    settings = environment.get("settings") if isinstance(environment, dict) else None
    return with_current_names(settings) if isinstance(settings, dict) else None


def _recipe(folder: RunFolder) -> Mapping[str, Any]:
    try:
        return with_current_names(parse_toml(folder.recipe_text()))
    except tomllib.TOMLDecodeError as error:
        raise RunError(f"{folder.recipe}: not TOML ({error}); the file is damaged") from error


def _open(folder: RunFolder, label: str, settings: Mapping[str, Any]) -> ComparedRun:
    history = read_history(folder.history)
    monitor, kept = _kept(folder, settings, history)
    return ComparedRun(label, settings, history, monitor, kept, _final_metrics(folder), _count_weights(folder.model))


def _kept(folder: RunFolder, settings: Mapping[str, Any], history: History) -> tuple[Monitor | None, int | None]:
    if not history.epochs:
        return None, None
    try:
        table = TrainTable.model_validate_json(json.dumps(settings.get("train", {}), default=str))
        task: Any = settings.get("task")
        monitor = choose_monitor(table, task, list(history.columns))
    except (ValidationError, RecipeError) as error:
        raise RunError(f"{folder.recipe}: [train] does not fit this version or {folder.history}: {error}") from error
    return monitor, kept_epoch(history, monitor, restore_best=table.restore_best)


def kept_epoch(history: History, monitor: Monitor, *, restore_best: bool) -> int:
    """The epoch whose weights the training loop kept, from 1.

    A phase ends with its best epoch's weights; where a validation metric is the monitor, with those that it began
    with if no epoch of it was better.

    Args:
        history: with at least one epoch.
        monitor: what chose the epoch.
        restore_best: the recipe's ``train.restore_best``.
    """
    if not restore_best:
        return history.epochs[-1]
    values = history.columns[monitor.name]
    kept, best = history.epochs[-1], None
    for start, end in zip(history.starts, [*history.starts[1:], len(values)], strict=True):
        if best is None or not monitor.name.startswith("val_"):
            kept, best = history.epochs[end - 1], None
        for epoch, value in zip(history.epochs[start:end], values[start:end], strict=True):
            if monitor.better(value, best):
                kept, best = epoch, value
    return kept


def _final_metrics(folder: RunFolder) -> Mapping[str, Mapping[str, Any]] | None:
    if not folder.metrics.is_file():
        return None
    found = folder.read_json(folder.metrics)
    if not isinstance(found, dict) or not all(isinstance(values, dict) for values in found.values()):
        raise RunError(f"{folder.metrics}: expected a table of metrics a split; the file is damaged")
    for split, values in found.items():
        for name, value in values.items():
            table = name in ("per_class", "iou", "dice")
            fits = isinstance(value, dict) if table else value is None or _is_number(value)
            if not fits:
                raise RunError(
                    f"{folder.metrics}: {split}.{name}: expected {'a table' if table else 'a number'}, "
                    f"received {show(value)}; the file is damaged"
                )
    return found


def _is_number(value: Any) -> bool:
    """Whether it can be shown as a decimal number."""
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def _count_weights(model: Path) -> int | None:
    """How many numbers the layers of a ``.keras`` file hold; without loading it, which would take TensorFlow."""
    import h5py

    if not model.is_file():
        return None
    count = 0

    def visit(name: str, item: Any) -> None:
        nonlocal count
        if isinstance(item, h5py.Dataset) and name.startswith("layers/") and "seed_generator" not in name:
            count += item.size

    try:
        with zipfile.ZipFile(model) as archive:
            if archive.getinfo("model.weights.h5").compress_type != zipfile.ZIP_STORED:
                raise RunError(f"{model}: its weights are compressed, which tlkit's are not")  # every look unpacks them
            with archive.open("model.weights.h5") as file, h5py.File(file) as weights:
                weights.visititems(visit)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise RunError(f"{model}: can't be read: {error}; the file is damaged, or not a model") from error
    return count
