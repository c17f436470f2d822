"""The Keras callback that sends each epoch to MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from tlkit_trackers.mlflow_run import Tracked, error_text, failures, open_run, settings


class EpochSender(keras.callbacks.Callback):  # type: ignore[misc]
    """Sends each epoch to MLflow; after a failure, no more until the phase has ended.

    Args:
        run: the run folder.
        recipe: the recipe as nested plain values.
    """

    def __init__(self, run: Path, recipe: Mapping[str, Any]) -> None:
        super().__init__()
        self._run, self._recipe = run, recipe
        self._tracked: Tracked | None = None
        self._failed = False

    def on_train_begin(self, *_arguments: Any) -> None:
        """Open the MLflow run."""
        self._send()

    def on_epoch_end(self, *_arguments: Any) -> None:
        """Send the epoch."""
        self._send()

    def _send(self) -> None:
        if self._failed:
            return
        with settings():
            try:
                self._tracked = self._tracked or open_run(self._run, dict(self._recipe))
                self._tracked.send_epochs(self._run)
            except failures() as error:
                self._failed = True
                print(f"  note: MLflow is left alone until the phase has ended: {error_text(error)}")
