"""The plugins of a run whose model has layers from them, for users who trust them."""

from __future__ import annotations

from pathlib import Path

from tlkit.registry import Registry
from tlkit.registry.discovery import make_registry
from tlkit.runs.folder import RunFolder
from tlkit.runs.folds import run_with_data
from tlkit.runs.plugins import load_plugins_of
from tlkit.system.tensorflow import start_tensorflow


def with_layers_of(run: Path, registry: Registry | None) -> Registry:
    """Start TensorFlow, and load the plugins of a run, which registers their layers with Keras.

    Args:
        run: the folder of a run or of a cross-validation.
        registry: the plugins; None for the installed ones.
    """
    start_tensorflow()
    registry = registry or make_registry()
    folder = RunFolder(run)
    load_plugins_of(run_with_data(folder, folder.read_card()), registry)
    return registry
