"""Checkpoints: all of a run's state, so that a killed run goes on to the same bits.

A checkpoint is a safetensors file of arrays and, written after it, a JSON file with everything else and the SHA-256 of
both. Each appears whole or not at all; the two newest are kept; one that is damaged is passed over for the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError

from tlkit.contracts import EarlyStop
from tlkit.system.disk import FullDiskError, free_bytes, is_disk_full, write_atomically
from tlkit.system.text import size_text

KEPT = 2
_MAX_STATE_BYTES = 256_000_000
_SHARE = 50
"""Writing checkpoints takes at most one part in so many of the time, unless the recipe asks for them by steps."""


class WatchState(BaseModel):
    """What ``Watch`` remembers: the best value and epoch; best value and epochs waited of early stop and plateau."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    best_value: float | None
    best_epoch: int
    stop: tuple[float | None, int] | None
    plateau: tuple[float | None, int] | None


class PhaseState(BaseModel):
    """Where a phase stands.

    Args:
        epoch: the one that is being trained, from 0; the phase's number of epochs when all are done.
        step: the next one of that epoch.
        stopped: whether it ended early.
        cached: whether features are kept in it.
        plateau_factor: what a plateau made of the rate.
        watch: what is looked at after each epoch.
        rows: the metrics of its epochs.
        before: digests of all variables when it began.
        callbacks: the plain attributes of each callback.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    step: int
    stopped: bool
    cached: bool
    plateau_factor: float
    watch: WatchState
    rows: list[dict[str, float]]
    before: dict[str, str]
    callbacks: list[dict[str, Any]]


class Planned(BaseModel):
    """What may change of a phase in a run that goes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int
    early_stop: EarlyStop | None


class State(BaseModel):
    """What a checkpoint knows beside its arrays.

    Args:
        number: of the checkpoint; later ones have higher numbers.
        phase: index of the phase; the number of phases when all are done.
        inside: where that phase stands; None before it has begun.
        epochs_done: of all phases.
        kept: the metrics of the weights that the last phase kept.
        kept_epoch: and their epoch, over all phases.
        monitor: the column that chose them.
        initial: digests of the variables as they were built.
        history, times, freeze: the texts of ``metrics.csv``, ``times.csv`` and ``freeze.csv``.
        planned: the phases that it was written for, which the recipe in the folder need not be any more; None in
            checkpoints of older versions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    number: int
    phase: int
    inside: PhaseState | None
    epochs_done: int
    kept: dict[str, float]
    kept_epoch: int
    monitor: str
    initial: dict[str, str]
    history: str
    times: str
    freeze: str
    planned: list[Planned] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read.

    Args:
        state: everything but the arrays.
        arrays: by name: ``model/…``, ``best/…``, ``optimizer/…``, ``average/…``, ``metric/…``.
    """

    state: State
    arrays: Mapping[str, np.ndarray]

    def group(self, name: str) -> dict[str, np.ndarray]:
        """The arrays below ``name/``, by the rest of their names."""
        return {key.removeprefix(f"{name}/"): array for key, array in self.arrays.items() if key.startswith(f"{name}/")}


class Checkpoints:
    """Writes the checkpoints of a run and knows when one is due.

    Args:
        folder: of the checkpoints.
        minutes: one is due after so many.
        steps: one is due after so many steps; None: by time and at the ends of epochs alone.
    """

    def __init__(self, folder: Path, minutes: float, steps: int | None) -> None:
        self.folder = folder
        self._seconds = 60 * minutes
        self._steps = steps
        self._since = 0
        self._ended = time.monotonic()
        self._took = 0.0

    def due(self, *, epoch_ended: bool = False) -> bool:
        """Count a step, or the end of an epoch, and say whether to write a checkpoint now."""
        passed = time.monotonic() - self._ended
        if epoch_ended:
            return self._steps is not None or passed >= _SHARE * self._took
        self._since += 1
        if self._steps is not None:
            return self._since >= self._steps
        return passed >= max(self._seconds, _SHARE * self._took)

    def write(self, state: State, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint, and remove those that are older than the ``KEPT`` newest.

        Raises:
            FullDiskError: there is no room for it; those before are as they were.
        OSError: it can't be written for another reason.
        """
        began = time.monotonic()
        self.folder.mkdir(exist_ok=True)
        name = f"{state.number:08d}"
        temporary = self.folder / f".tmp-{name}.safetensors"
        try:
            contents = {key: np.asarray(array, order="C") for key, array in arrays.items()}
            safetensors.numpy.save_file(contents, temporary)
            with temporary.open("rb+") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            temporary.replace(self.folder / f"{name}.safetensors")
        except (SafetensorError, OSError) as error:
            failed = error if isinstance(error, OSError) else _as_os_error(error, temporary)
            if not is_disk_full(failed):
                raise failed from error
            before = (
                "The checkpoint before is whole" if any(self.folder.glob("[0-9]*.json")) else "There was none before"
            )
            needed, free = sum(array.nbytes for array in arrays.values()), free_bytes(self.folder)
            raise FullDiskError(
                f"{self.folder}: the disk is full: a checkpoint needs {size_text(needed)}, {size_text(free)} are "
                f"free, {size_text(max(needed - free, 0))} are missing. {before}; make room, then: "
                f"tlkit resume {self.folder.parent}"
            ) from error
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        text = state.model_dump_json()
        parts = {"sha256": _digest(text, digest), "arrays": digest, "state": text}
        write_atomically(self.folder / f"{name}.json", json.dumps(parts))
        _sync(self.folder)
        self._remove_old()
        self._since = 0
        self._ended = time.monotonic()
        self._took = self._ended - began

    def _remove_old(self) -> None:
        states = sorted(self.folder.glob("[0-9]*.json"))
        for file in states[:-KEPT]:
            file.unlink()
        kept = {file.stem for file in states[-KEPT:]}
        for file in self.folder.glob("[0-9]*.safetensors"):
            if file.stem not in kept:
                file.unlink()


def clean(folder: Path) -> None:
    """Remove what a kill left half written."""
    for file in folder.glob(".*"):
        if file.is_file():
            file.unlink()


def read_checkpoints(folder: Path, say: Callable[[str], None]) -> list[Checkpoint]:
    """The checkpoints of a folder that are whole, the newest first.

    Args:
        folder: of the checkpoints.
        say: told of each that is damaged.
    """
    found = []
    for file in sorted(folder.glob("[0-9]*.json"), reverse=True):
        read = _read(file)
        if isinstance(read, Checkpoint):
            found.append(read)
        else:
            say(f"checkpoint {file.name} is damaged and passed over: {read}")
    return found


def _read(file: Path) -> Checkpoint | str:
    arrays_file = file.with_suffix(".safetensors")
    try:
        if file.stat().st_size > _MAX_STATE_BYTES:
            return f"larger than {_MAX_STATE_BYTES} bytes"
        parts = json.loads(file.read_bytes())
        text, digest = parts["state"], parts["arrays"]
        if not isinstance(text, str) or parts["sha256"] != _digest(text, digest):
            return "its digest is another"
        with arrays_file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                return f"the digest of {arrays_file.name} is another"
        return Checkpoint(State.model_validate_json(text), safetensors.numpy.load_file(arrays_file))
    except ValidationError as error:
        return f"not a checkpoint of this version of tlkit: {error.errors()[0]['msg']}"
    except OSError as error:
        return f"can't be read: {error.strerror or error}"
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


def _digest(text: str, arrays: Any) -> str:
    return hashlib.sha256(f"{arrays}\n{text}".encode()).hexdigest()


def _as_os_error(error: SafetensorError, file: Path) -> OSError:
    """safetensors reports what the system said as text, ``… (os error 28)``."""
    words = str(error)
    number = words.rpartition("os error ")[2].partition(")")[0]
    return OSError(int(number) if number.isdigit() else 0, words, str(file))


def _sync(folder: Path) -> None:
    """So that the renaming is on disk too; Windows has no such call for folders."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
