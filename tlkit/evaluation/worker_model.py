"""Opening a model in a worker of a cluster."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlkit.errors import DataError
from tlkit.evaluation.predictor import Predictor
from tlkit.system.parallel import limit_processors


@dataclass(frozen=True)
class WorkerModel:
    """How a worker opens a model.

    Args:
        load: opens it, given the path and ``engine``: a function of a module.
        path: the run folder or the exported file, absolute.
        options: what ``load`` also takes.
        engine: what computes the images.
        processors: the processors that the worker may use.
    """

    load: Callable[..., Predictor]
    path: Path
    options: dict[str, Any]
    engine: str = "auto"
    processors: int = 1

    def open(self) -> Predictor:
        """Open the model in this process.

        Raises:
            DataError: this machine does not have it.
        """
        if not self.path.exists():
            raise DataError(
                f"{self.path}: {self.host()} has no such file or folder; expected the model at the same path on each "
                "machine of the cluster: in a folder that all of them mount"
            )
        limit_processors(self.processors)
        return self.load(self.path, engine=self.engine, **self.options)

    @staticmethod
    def host() -> str:
        """Return the name of this machine."""
        return socket.gethostname()
