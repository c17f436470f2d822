"""What a run has done so far, and its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tlkit.contracts import Phase
from tlkit.errors import RunError
from tlkit.models.freeze import FreezeRow, digests, keyed_variables
from tlkit.recipe.schema import TrainTable
from tlkit.runs.folder import RunFolder
from tlkit.runs.history import HistoryFile
from tlkit.system.disk import write_atomically
from tlkit.train.checkpoint import Checkpoint, Checkpoints
from tlkit.train.freeze_file import FreezeFile
from tlkit.train.state import PhaseState, Planned, State


class Ledger:
    """What a run has done so far; ``save`` writes it to a checkpoint and ``restore`` reads it from one.

    Args:
        model: the model that is trained.
        folder: the run folder.
        table: the recipe's ``[train]``.
        columns: the metrics of an epoch, in order.
        writes: whether this process writes into the folder; the others keep the same account.

    Attributes:
        epochs_done: the number of epochs done in all phases.
        best_metrics: the metrics of the weights with which the last phase ended.
        best_epoch: their epoch, counted from 1 over all phases; 0 before the first phase has ended.
        monitor: the column that chose that epoch.
    """

    def __init__(
        self, model: Any, folder: RunFolder, table: TrainTable, columns: Sequence[str], *, writes: bool = True
    ) -> None:
        self._model = model
        self._folder = folder
        self._table = table
        self.writes = writes
        self.history = HistoryFile(folder.history, columns)
        self.freeze = FreezeFile(folder.freeze)
        self.checkpoints = Checkpoints(folder.checkpoints, table.checkpoint_minutes, table.checkpoint_steps)
        self.epochs_done = 0
        self.best_metrics: Mapping[str, float] = {}
        self.best_epoch = 0
        self.monitor = ""
        self._number = 0
        self._initial: Mapping[str, str] = {}
        self._planned: Sequence[Planned] = ()

    def begin(self, phases: Sequence[Phase], checkpoint: Checkpoint | None) -> None:
        """Begin the run, or resume it from a checkpoint.

        Args:
            phases: the phases to train.
            checkpoint: the checkpoint to resume from; None for a new run.

        Raises:
            RunError: the checkpoint is of another network.
        """
        self._initial = digests(self._model)
        self._planned = [
            Planned(epochs=phase.epochs, early_stop=phase.early_stop or self._table.early_stop) for phase in phases
        ]
        if checkpoint is not None:
            self._restore(checkpoint)
        elif self.writes:
            self.history.begin()
            self.freeze.begin()

    def add_epoch(self, phase: str, row: Mapping[str, float], rate: float, seconds: float) -> None:
        """Count an epoch, and record its metrics, its learning rate and its seconds."""
        self.epochs_done += 1
        if self.writes:
            self.history.add(phase, self.epochs_done, row, rate, seconds)

    def add_proof(self, phase: str, rows: Sequence[FreezeRow]) -> None:
        """Record which variables a phase changed."""
        if self.writes:
            self.freeze.add(phase, rows)

    def save(
        self, phase: int, inside: PhaseState | None, arrays: Mapping[str, np.ndarray], *, engine: str | None = None
    ) -> None:
        """Write a checkpoint, if this process writes.

        Args:
            phase: the index of the phase that is in progress, or is next.
            inside: how far it has come; None before it begins.
            arrays: the arrays of the phase; the model's variables that differ from how they were built are added.
            engine: the engine of the phase that has just ended.
        """
        if not self.writes:
            return
        now = digests(self._model)
        model = {
            f"model/{key}": np.array(variable)
            for key, variable in keyed_variables(self._model).items()
            if now[key] != self._initial[key]
        }
        self._number += 1
        folder = self._folder
        state = State(
            number=self._number,
            phase=phase,
            inside=inside,
            epochs_done=self.epochs_done,
            best_metrics=dict(self.best_metrics),
            best_epoch=self.best_epoch,
            monitor=self.monitor,
            initial=dict(self._initial),
            history=folder.history.read_bytes().decode(),
            times=folder.times.read_bytes().decode(),
            freeze=folder.freeze.read_bytes().decode(),
            engine=engine,
            planned=list(self._planned),
        )
        self.checkpoints.write(state, model | dict(arrays))

    def _restore(self, checkpoint: Checkpoint) -> None:
        state, folder = checkpoint.state, self._folder
        different = [key for key, digest in self._initial.items() if state.initial.get(key) != digest]
        if different or len(state.initial) != len(self._initial):
            which = ", ".join(different[:3]) or "some are missing"
            raise RunError(
                f"{folder.checkpoints}: the recipe now builds another network than the one the run started with "
                f"(variables that differ: {which}); are other versions of tlkit, Keras or the weights installed? "
                f"{folder.environment} lists the versions that the run started with"
            )
        variables = keyed_variables(self._model)
        for key, value in checkpoint.group("model").items():
            variables[key].assign(value)
        self._number = state.number
        self.epochs_done = state.epochs_done
        self.best_metrics, self.best_epoch, self.monitor = state.best_metrics, state.best_epoch, state.monitor
        if not self.writes:
            return
        texts = ((folder.history, state.history), (folder.times, state.times), (folder.freeze, state.freeze))
        for path, text in texts:
            write_atomically(path, text.encode())
