"""tlkit's own trackers: TensorBoard's event files and MLflow, switched on in the table ``[track]`` of a recipe."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tlkit


def _wants(recipe: Mapping[str, Any], tracker: str) -> bool:
    return bool(recipe.get("track", {}).get(tracker))


@tlkit.hookimpl
def tlkit_check_recipe(recipe: Mapping[str, Any]) -> Iterator[tlkit.Problem]:
    """Check that MLflow is installed before the training of hours that it is to record."""
    if _wants(recipe, "mlflow") and importlib.util.find_spec("mlflow") is None:
        yield tlkit.Problem("track.mlflow", 'MLflow is not installed: pip install "tlkit[mlflow]", or mlflow = false')


@tlkit.hookimpl
def tlkit_callbacks(run: Path, phase: tlkit.Phase, recipe: Mapping[str, Any]) -> Iterator[Any]:
    """Record each epoch."""
    if _wants(recipe, "tensorboard"):
        from tlkit_trackers.tensorboard import EventWriter

        yield EventWriter(run, phase.name)
    if _wants(recipe, "mlflow"):
        from tlkit_trackers.mlflow_epochs import EpochSender

        yield EpochSender(run, recipe)


@tlkit.hookimpl
def tlkit_run_finished(run: Path, recipe: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[str]:
    """Record the final metrics, the pictures and the run folder."""
    if _wants(recipe, "tensorboard"):
        from tlkit_trackers.tensorboard import write_end

        yield from write_end(run, metrics)
    if _wants(recipe, "mlflow"):
        from tlkit_trackers.mlflow_run import send_end

        yield from send_end(run, recipe, metrics)
