"""Run folders as a run leaves them, written by tlkit's own writers, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recipe_text import recipe_text

from tlkit.recipe.load import parse_recipe
from tlkit.recipe.portable import portable_text
from tlkit.registry import Registry
from tlkit.runs.folder import RunFolder
from tlkit.runs.history import HistoryFile

RATE = 1e-3
SECONDS = 2.0
"""Duration of each epoch."""

MODEL_CARD = {
    "tlkit": "0.1.0",
    "name": "a",
    "task": "classification",
    "classes": ["a", "b"],
    "label_kind": "binary",
    "image_size": [32, 32],
    "resize": "crop",
    "colors": [[0, 0, 0], [255, 0, 0]],
    "backbone": {"name": "x", "options": {}},
    "head": {"name": "y", "options": {}},
}
"""The content of ``model.json`` for a binary classifier, without the optional keys."""


def write_run(
    path: Path,
    registry: Registry,
    phases: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
    overrides: Sequence[str] = (),
) -> RunFolder:
    """Write a run folder.

    Args:
        path: the folder to create.
        registry: the plugins, for the recipe.
        phases: phase → column → one value per epoch.
        metrics: split → final metrics; None for a run that has not finished.
        overrides: overrides of the recipe.
    """
    path.mkdir(parents=True)
    folder = RunFolder(path)
    recipe = parse_recipe(recipe_text(name="small"), registry, overrides)
    folder.recipe.write_text(portable_text(recipe), encoding="utf-8")
    folder.write_json(folder.environment, {"settings": recipe.values})
    columns = list(next(iter(phases.values())))
    history = HistoryFile(folder.history, columns)
    history.begin()
    epoch = 0
    for phase, values in phases.items():
        for row in zip(*values.values(), strict=True):
            epoch += 1
            history.add(phase, epoch, dict(zip(columns, row, strict=True)), RATE, SECONDS)
    if metrics is not None:
        folder.write_json(folder.metrics, metrics)
    return folder
