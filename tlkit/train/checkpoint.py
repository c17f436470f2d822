"""Checkpoints: all of a run's state, so that a killed run resumes and ends with the same bits.

A checkpoint is a safetensors file of arrays and, written after it, a JSON file with everything else and the SHA-256 of
both. Each file appears whole or not at all. The two newest checkpoints stay on disk, and a damaged one is skipped in
favour of the one before.
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
from typing import Any

import numpy as np
import safetensors.numpy
from pydantic import ValidationError
from safetensors import SafetensorError

from tlkit.system.disk import FullDiskError, full_disk_text, is_disk_full, write_atomically
from tlkit.train.state import State

MAX_CHECKPOINTS = 2
"""Never below 2: if the newest is damaged, the one before is used; and a finished run is extended from the second
newest, the end of its last epoch, because the newest already has the best weights restored (``jobs/resume_point.py``).
"""
_MAX_STATE_BYTES = 256_000_000
_TIME_SHARE = 50
"""Writing checkpoints takes at most 1/50 of the time, unless the recipe asks for them by steps."""


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
        """Return the arrays below ``name/``, by the rest of their names."""
        return {key.removeprefix(f"{name}/"): array for key, array in self.arrays.items() if key.startswith(f"{name}/")}


class Checkpoints:
    """Writes the checkpoints of a run, and decides when one is due.

    Args:
        folder: the folder of the checkpoints.
        minutes: how old the newest checkpoint may become.
        steps: write one after this many steps; None: by time and at the ends of epochs only.
    """

    def __init__(self, folder: Path, minutes: float, steps: int | None) -> None:
        self.folder = folder
        self._max_seconds = 60 * minutes
        self._max_steps = steps
        self._steps = 0
        self._written = time.monotonic()
        self._write_seconds = 0.0

    def due(self, *, epoch_ended: bool = False) -> bool:
        """Count a step, or the end of an epoch, and return whether to write a checkpoint now."""
        passed = time.monotonic() - self._written
        if epoch_ended:
            return self._max_steps is not None or passed >= _TIME_SHARE * self._write_seconds
        self._steps += 1
        if self._max_steps is not None:
            return self._steps >= self._max_steps
        return passed >= max(self._max_seconds, _TIME_SHARE * self._write_seconds)

    def write(self, state: State, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint, and remove all but the ``MAX_CHECKPOINTS`` newest.

        Raises:
            FullDiskError: the disk is full; earlier checkpoints are unchanged.
            OSError: the checkpoint can't be written for another reason.
        """
        began = time.monotonic()
        self.folder.mkdir(exist_ok=True)
        digest = self._write_arrays(f"{state.number:08d}.safetensors", arrays)
        text = state.text()
        parts = {"sha256": _digest(text, digest), "arrays": digest, "state": text}
        write_atomically(self.folder / f"{state.number:08d}.json", json.dumps(parts))
        _sync(self.folder)
        self._remove_old()
        self._steps = 0
        self._written = time.monotonic()
        self._write_seconds = self._written - began

    def _write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> str:
        """Write the arrays, and return the SHA-256 of their file."""
        temporary = self.folder / f".tmp-{name}"
        try:
            contents = {key: np.asarray(array, order="C") for key, array in arrays.items()}
            safetensors.numpy.save_file(contents, temporary)
            with temporary.open("rb+") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            temporary.replace(self.folder / name)
        except (SafetensorError, OSError) as error:
            failed = error if isinstance(error, OSError) else _as_os_error(error, temporary)
            if not is_disk_full(failed):
                raise failed from error
            raise self._full_disk(sum(array.nbytes for array in arrays.values())) from error
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        return digest

    def _full_disk(self, needed: int) -> FullDiskError:
        has_earlier = any(self.folder.glob("[0-9]*.json"))
        earlier = "The previous checkpoint is intact" if has_earlier else "There is no earlier checkpoint"
        return FullDiskError(
            f"{self.folder}: {full_disk_text(self.folder, needed, 'a checkpoint needs')}. {earlier}; make room, then "
            f"run: tlkit resume {self.folder.parent}"
        )

    def _remove_old(self) -> None:
        states = sorted(self.folder.glob("[0-9]*.json"))
        for file in states[:-MAX_CHECKPOINTS]:
            file.unlink()
        newest = {file.stem for file in states[-MAX_CHECKPOINTS:]}
        for file in self.folder.glob("[0-9]*.safetensors"):
            if file.stem not in newest:
                file.unlink()


def clean(folder: Path) -> None:
    """Remove the files that a killed run left half written."""
    for file in folder.glob(".*"):
        if file.is_file():
            file.unlink()


def read_checkpoints(folder: Path, say: Callable[[str], None]) -> list[Checkpoint]:
    """Return the undamaged checkpoints of a folder, the newest first.

    Args:
        folder: the folder of the checkpoints.
        say: called with a message about each damaged checkpoint.
    """
    checkpoints = []
    for file in sorted(folder.glob("[0-9]*.json"), reverse=True):
        read = _read(file)
        if isinstance(read, Checkpoint):
            checkpoints.append(read)
        else:
            say(f"checkpoint {file.name} is damaged and was skipped: {read}")
    return checkpoints


def _read(file: Path) -> Checkpoint | str:
    """Read a checkpoint, or return what is wrong with it."""
    arrays_file = file.with_suffix(".safetensors")
    try:
        if file.stat().st_size > _MAX_STATE_BYTES:
            return f"larger than {_MAX_STATE_BYTES} bytes"
        parts = json.loads(file.read_bytes())
        text, digest = parts["state"], parts["arrays"]
        if not isinstance(text, str) or parts["sha256"] != _digest(text, digest):
            return "wrong checksum"
        with arrays_file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                return f"wrong checksum of {arrays_file.name}"
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
    """Return the system's error, which safetensors reports as text: ``… (os error 28)``."""
    words = str(error)
    number = words.rpartition("os error ")[2].partition(")")[0]
    return OSError(int(number) if number.isdigit() else 0, words, str(file))


def _sync(folder: Path) -> None:
    """Flush a folder's renames to disk; Windows has no such call for folders."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
