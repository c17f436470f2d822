"""The process of a worker that works on blocks."""

from __future__ import annotations

import os
import pickle
import socket
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tlkit.cluster.progress import HERE, Position
from tlkit.errors import RunError, TlkitError


@dataclass(frozen=True)
class Joined:
    """Where a worker runs."""

    host: str
    process: int

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


@dataclass(frozen=True)
class Failed:
    """What the work raised."""

    error: Exception


class WorkerActor:
    """A worker: an actor of Ray, whose answers are results, ``Joined`` or ``Failed``."""

    def __init__(self) -> None:
        self._work: Callable[[Sequence[Any]], Iterable[Any]] | None = None

    def join(self, start: Callable[[], Callable[[Sequence[Any]], Iterable[Any]]]) -> Joined | Failed:
        """Set up the work."""
        warnings.simplefilter("ignore")
        try:
            with HERE.working():
                self._work = start()
        except Exception as error:
            return _failed(error)
        return Joined(socket.gethostname(), os.getpid())

    def position(self) -> Position | None:
        """Return how far the work is; None while there is none."""
        return HERE.position()

    def work(self, items: Sequence[Any]) -> Sequence[Any] | Failed:
        """Work on a block."""
        assert self._work is not None
        results = []
        try:
            with HERE.working():
                for each in self._work(items):
                    results.append(each)
                    HERE.went_on()
        except Exception as error:
            return _failed(error)
        return results


def _failed(error: Exception) -> Failed:
    """Return an exception as it can be sent: that of a bug with its traceback as a note."""
    text = "".join(traceback.format_exception(error))
    if not isinstance(error, TlkitError):
        error.add_note(f"In a worker on {socket.gethostname()}:\n{text}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # such as one whose constructor takes something else than its message
        return Failed(RunError(f"a worker on {socket.gethostname()} failed:\n{text}"))
    return Failed(error)
