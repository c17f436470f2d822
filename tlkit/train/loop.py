"""The training loop: phases, epochs and steps. It is ours because ``model.fit`` can't be resumed or frozen exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlkit.contracts import Phase
from tlkit.data.feed.policies import Policy
from tlkit.data.run_data import Data
from tlkit.errors import Problem, RecipeError, RunError
from tlkit.models.assemble import Network
from tlkit.models.freeze import Prepared, digests, keyed_variables, prepare
from tlkit.models.losses import BatchLoss, Targets, class_weights
from tlkit.models.metrics import MetricSet
from tlkit.recipe.monitor import choose_monitor
from tlkit.recipe.schema import TrainTable
from tlkit.runs.folder import RunFolder
from tlkit.system.disk import write_atomically
from tlkit.system.progress import Reporter
from tlkit.system.signals import Signals
from tlkit.train.checkpoint import Checkpoint, Checkpoints, PhaseState, Planned, State
from tlkit.train.history import FreezeFile, HistoryFile
from tlkit.train.phase_run import PhaseRun
from tlkit.train.steps import Optimizers


@dataclass
class Training:
    """Everything that the phases of a run share.

    Args:
        network: which is trained.
        data: whose training split trains it and whose validation split is looked at.
        targets: what its logits are compared with.
        table: the recipe's ``[train]``.
        seed: of the run.
        batch_size: images a step.
        policies: the recipe's augmentation, built.
        folder: where the history and the freeze table are written.
        reporter: where progress is shown.
        callbacks: Keras callbacks for a phase.
        phase_finished: told after each phase.
        input_settings: how files become images; part of the key under which features are kept.
        signals: that may ask the run to stop.
    """

    network: Network
    data: Data
    targets: Targets
    table: TrainTable
    seed: int
    batch_size: int
    policies: Sequence[Policy]
    folder: RunFolder
    reporter: Reporter
    backbone: str
    callbacks: Callable[[Path, Phase], Iterable[Any]] = lambda _folder, _phase: ()
    phase_finished: Callable[[Path, Phase, Mapping[str, float]], None] = lambda _f, _p, _m: None
    input_settings: Mapping[str, Any] = field(default_factory=dict)
    signals: Signals = field(default_factory=Signals)
    epochs_done: int = field(default=0, init=False)
    kept: Mapping[str, float] = field(default_factory=dict, init=False)
    kept_epoch: int = field(default=0, init=False)
    monitor: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.freeze = FreezeFile(self.folder.freeze)
        self.checkpoints = Checkpoints(
            self.folder.checkpoints, self.table.checkpoint_minutes, self.table.checkpoint_steps
        )
        self._number = 0
        self._initial: dict[str, str] = {}
        self._planned: list[Planned] = []
        weights = class_weights(self.table.class_weights, self.data.classes, self._class_counts())
        self.loss = BatchLoss(self.targets, self.table.loss, weights)
        self.plain_loss = BatchLoss(self.targets, self.table.loss)
        self.training = MetricSet(self.targets, self.table.metrics)
        self.validation = MetricSet(self.targets, self.table.metrics)
        self.columns = list(self.training.names)
        if len(self.data.indices("validation")):
            self.columns += [f"val_{name}" for name in self.validation.names]
        self.history = HistoryFile(self.folder.history, self.folder.times, self.columns)

    def run(self, phases: Sequence[Phase], checkpoint: Checkpoint | None = None) -> None:
        """Train all phases, one after the other.

        Args:
            phases: of the schedule.
            checkpoint: where an interrupted run of the same recipe goes on; None to begin.

        Raises:
            RunError: a frozen variable moved, the loss is not a finite number, or the checkpoint is not of this run.
            RecipeError: the loss, a metric, the monitor, the class weights or an optimizer is not as it must be.
            Interrupted: a signal asked for it; a checkpoint was written.
        """
        self._initial = digests(self.network.model)
        self._planned = [
            Planned(epochs=phase.epochs, early_stop=phase.early_stop or self.table.early_stop) for phase in phases
        ]
        first = 0
        if checkpoint is None:
            self.history.begin()
            self.freeze.begin()
        else:
            first = checkpoint.state.phase
            self._restore(checkpoint)
        for index in range(first, len(phases)):
            phase_run = PhaseRun(self, index, phases[index])
            inside = checkpoint is not None and index == first and checkpoint.state.inside is not None
            phase_run.run(checkpoint if inside else None)
            self.save(index + 1, None, {})

    def save(self, phase: int, inside: PhaseState | None, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint.

        Args:
            phase: index of the phase that is trained, or is next.
            inside: where it stands; None before it begins.
            arrays: of the phase; the model's variables that are not as they were built are added.
        """
        now = digests(self.network.model)
        model = {
            f"model/{key}": np.array(variable)
            for key, variable in keyed_variables(self.network.model).items()
            if now[key] != self._initial[key]
        }
        self._number += 1
        state = State(
            number=self._number,
            phase=phase,
            inside=inside,
            epochs_done=self.epochs_done,
            kept=dict(self.kept),
            kept_epoch=self.kept_epoch,
            monitor=self.monitor,
            initial=self._initial,
            history=self.folder.history.read_bytes().decode(),
            times=self.folder.times.read_bytes().decode(),
            freeze=self.folder.freeze.read_bytes().decode(),
            planned=self._planned,
        )
        self.checkpoints.write(state, model | dict(arrays))

    def _restore(self, checkpoint: Checkpoint) -> None:
        state = checkpoint.state
        other = [key for key, digest in self._initial.items() if state.initial.get(key) != digest]
        if other or len(state.initial) != len(self._initial):
            some = ", ".join(other[:3]) or "some are missing"
            raise RunError(
                f"{self.folder.checkpoints}: the network that the recipe builds now is not the one that the run began "
                f"with (variables that differ: {some}); is another version of tlkit, Keras or the weights installed? "
                f"{self.folder.environment} tells which it was"
            )
        variables = keyed_variables(self.network.model)
        for key, value in checkpoint.group("model").items():
            variables[key].assign(value)
        self._number = state.number
        self.epochs_done = state.epochs_done
        self.kept, self.kept_epoch, self.monitor = state.kept, state.kept_epoch, state.monitor
        for path, text in (
            (self.folder.history, state.history),
            (self.folder.times, state.times),
            (self.folder.freeze, state.freeze),
        ):
            write_atomically(path, text.encode())

    def check(self, phases: Sequence[Phase]) -> None:
        """Everything that can be found wrong before the first step.

        Raises:
            RecipeError: as ``run``.
        """
        choose_monitor(self.table, self.targets.task, self.columns)
        mixing = [policy.name for policy in self.policies if policy.mixes]
        if mixing and not self.loss.takes_shares:
            message = f'it takes whole classes, but "{mixing[0]}" mixes targets; expected a categorical loss'
            raise RecipeError([Problem("train.loss", message)])
        for phase in phases:
            prepared = prepare(self.network, phase)
            Optimizers(phase, prepared)
            self._look_for_lone_images(phase, prepared)

    def _look_for_lone_images(self, phase: Phase, prepared: Prepared) -> None:
        """BatchNormalization that trains on one image learns the statistics of that image."""
        count = len(self.data.indices("train"))
        learns = any(
            isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
            for layer in prepared.live_part.layers
        )
        if learns and (self.batch_size == 1 or count % self.batch_size == 1):
            which = "each batch" if self.batch_size == 1 else f"the last batch of {count} images"
            self.reporter.say(
                f"  note: phase {phase.name} trains BatchNormalization, and {which} is a single image, whose own "
                f"statistics it then learns; expected another input.batch_size than {self.batch_size}"
            )

    def try_rates(self, phase: Phase, rates: Sequence[float]) -> Iterator[float]:
        """Train a step at each learning rate, whatever the phase's own, and give the step's loss.

        The network is changed by it; nothing is validated or written.

        Raises:
            RecipeError: as ``check``.
        """
        yield from PhaseRun(self, 0, phase).try_rates(rates)

    def _class_counts(self) -> np.ndarray:
        if self.table.class_weights != "balanced":
            return np.ones(len(self.data.classes))
        return self.data.class_counts("train")
