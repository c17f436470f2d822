"""A phase of a run: its epochs, its state in a checkpoint, and the proof at its end."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping

import keras
import numpy as np

from tlkit.boundary.guard import owners
from tlkit.contracts import Phase, Plateau
from tlkit.errors import PluginError, RunError
from tlkit.models.freeze import FreezeError, digests, expected_changes, keyed_variables, prove
from tlkit.models.keras_files import quick_walk
from tlkit.system.disk import full_disk_context, reserve
from tlkit.system.signals import Interrupted
from tlkit.system.text import listed
from tlkit.train.agreement import check_same_state, ends_phase
from tlkit.train.best_weights import BestWeights
from tlkit.train.callbacks import callback_states, restore_callbacks
from tlkit.train.checkpoint import Checkpoint
from tlkit.train.ledger import Ledger
from tlkit.train.outlets import Outlets
from tlkit.train.passes import Passes
from tlkit.train.setting import Setting
from tlkit.train.state import PhaseState, WatchState
from tlkit.train.watch import Watch

_HDF5_BYTES = 8_000
"""More than HDF5 takes for the name and the place of a variable."""


class PhaseRun:
    """A phase of a run.

    Args:
        setting: the network, data and settings of the training.
        ledger: what the run has done so far.
        outlets: the run's folder, console, plugins and signals.
        index: the index of the phase.
        phase: which layers train, and how.

    Raises:
        RecipeError: the loss, a metric, the monitor, the class weights or the optimizer are wrong.
    """

    def __init__(self, setting: Setting, ledger: Ledger, outlets: Outlets, index: int, phase: Phase) -> None:
        self.setting = setting
        self.ledger = ledger
        self.outlets = outlets
        self.index = index
        self.phase = phase
        self.model = setting.network.model
        self.passes = Passes(setting, outlets, index, phase)
        self.watch = Watch(
            setting.monitor,
            phase.early_stop or setting.table.early_stop,
            phase.curve if isinstance(phase.curve, Plateau) else None,
        )
        if setting.table.restore_best and setting.monitor.name.startswith("val_"):
            # A phase without an improvement ends with the weights that it began with.
            self.watch.best_value = ledger.best_metrics.get(setting.monitor.name)
        variables = keyed_variables(self.model)
        changes = expected_changes(setting.network, phase)
        self.best_weights = BestWeights({key: variables[key] for key, may_change in changes.items() if may_change})
        self.before: Mapping[str, str] = {}
        self.rows: list[dict[str, float]] = []

    def run(self, checkpoint: Checkpoint | None) -> None:
        """Train the phase.

        Args:
            checkpoint: a checkpoint within the phase to resume from; None to begin the phase.

        Raises:
            RunError: a frozen variable moved, the loss is not a finite number, or the checkpoint is of another recipe.
            Interrupted: a signal asked the run to stop; a checkpoint was written.
        """
        passes, outlets, model = self.passes, self.outlets, self.model
        inside = None if checkpoint is None else checkpoint.state.inside
        self.before = digests(model) if inside is None else inside.before
        outlets.reporter.phase(self.phase, passes.steps.weight_count, model.count_params(), self.setting.backbone)
        own_folder = outlets.folder.path / "cache" / f"features-{self.index}"
        passes.use_features(own_folder, inside)
        model.compile(optimizer=passes.steps.optimizers.main, loss=None)
        passes.callbacks = keras.callbacks.CallbackList(
            list(outlets.callbacks(outlets.folder.path, self.phase)),
            model=model,
            epochs=self.phase.epochs,
            steps=self.setting.steps_per_epoch,
        )
        model.stop_training = False
        passes.callbacks.on_train_begin()
        if checkpoint is not None and inside is not None:
            self._restore(checkpoint, inside)
        check_same_state(self.setting, passes.steps, f"phase {self.phase.name} begins")
        with outlets.signals.deferred():
            with outlets.reporter.stage("training"):
                self._train_epochs(inside)
            trained = digests(model)
            self._use_best_weights()
        passes.stopping.agree()
        passes.stopping.stop()
        with outlets.reporter.stage("proving what stayed frozen"):
            passes.callbacks.on_train_end()
            proved = self._prove(trained)
            check_same_state(self.setting, passes.steps, f"phase {self.phase.name} ends")
            if outlets.writes:
                shutil.rmtree(own_folder, ignore_errors=True)
                self._write_weights()
                outlets.phase_finished(outlets.folder.path, self.phase, self.ledger.best_metrics)
            self._check_untouched(proved)

    def _save(self, epoch: int, step: int, *, stopped: bool = False) -> None:
        if not self.outlets.writes:
            return
        watch, passes = self.watch, self.passes
        stop, plateau = watch.waiting
        state = PhaseState(
            epoch=epoch,
            step=step,
            stopped=stopped,
            cached=passes.cached,
            engine=passes.engine,
            plateau_factor=passes.rate.plateau_factor,
            watch=WatchState(best_value=watch.best_value, best_epoch=watch.best_epoch, stop=stop, plateau=plateau),
            rows=self.rows,
            before=dict(self.before),
            callbacks=callback_states(passes.callbacks.callbacks),
        )
        arrays = {f"best/{key}": value for key, value in self.best_weights.values.items()}
        for name, variables in passes.steps.state.items():
            arrays |= {f"{name}/{number:04d}": np.array(variable) for number, variable in enumerate(variables)}
        with self.outlets.saving():
            self.ledger.save(self.index, state, arrays)

    def _restore(self, checkpoint: Checkpoint, state: PhaseState) -> None:
        for name, variables in self.passes.steps.state.items():
            values = [value for _, value in sorted(checkpoint.group(name).items())]
            if [tuple(value.shape) for value in values] != [tuple(variable.shape) for variable in variables]:
                raise RunError(
                    f"{self.outlets.folder.checkpoints}: the state of the {name} does not fit this recipe; "
                    "was the recipe in the run folder changed?"
                )
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        self.best_weights.values = checkpoint.group("best")
        self.rows = [dict(row) for row in state.rows]
        watch = state.watch
        self.watch.restore((watch.best_value, watch.best_epoch), watch.stop, watch.plateau)
        self.passes.rate.plateau_factor = state.plateau_factor
        restore_callbacks(self.passes.callbacks.callbacks, state.callbacks)

    def _pause(self, epoch: int, step: int) -> None:
        """Write a checkpoint if one is due, or if a signal asked the run to stop, and then stop."""
        stopping = self.passes.stopping
        if self.ledger.checkpoints.due() or stopping.asked:
            self._save(epoch, step)
            stopping.stop()

    def _train_epochs(self, inside: PhaseState | None) -> None:
        self.ledger.monitor = self.watch.monitor.name
        if inside is None and self.watch.best_value is not None:
            self.best_weights.take()
        first, start = (0, 0) if inside is None else (inside.epoch, inside.step)
        stopped = inside is not None and inside.stopped
        for epoch in range(first, self.phase.epochs):
            if stopped:
                break
            stopped = self._train_epoch(epoch, start if epoch == first else 0)
            if self.ledger.checkpoints.due(epoch_ended=True) or stopped or epoch + 1 == self.phase.epochs:
                self._save(epoch + 1, 0, stopped=stopped)
            self.passes.stopping.stop()

    def _train_epoch(self, epoch: int, start: int) -> bool:
        """Train an epoch from the step ``start``, and return whether it is the last."""
        setting, passes = self.setting, self.passes
        began = time.monotonic()
        if start == 0:
            passes.callbacks.on_epoch_begin(epoch)
            if epoch:
                passes.steps.swap_average()
            setting.train_metrics.reset()
        rate, last = passes.train(epoch, start, self._pause)
        row = setting.train_metrics.result()
        if not self.best_weights.are_finite():
            problem = "the weights are no longer finite"
            raise passes.diverged(epoch, setting.steps_per_epoch, problem, rate, last)
        passes.steps.swap_average()
        if len(setting.validation_rows):
            row |= {f"val_{name}": value for name, value in self._validate(epoch).items()}
        if not math.isfinite(row.get("val_loss", 0.0)):
            problem = f"the validation loss is {row['val_loss']}"
            raise passes.diverged(epoch, setting.steps_per_epoch, problem, rate, last)
        return self._end_epoch(epoch, row, rate, time.monotonic() - began)

    def _validate(self, epoch: int) -> dict[str, float]:
        try:
            return self.passes.validate()
        except Interrupted:
            self.passes.steps.swap_average()
            self._save(epoch, self.setting.steps_per_epoch)
            raise

    def _end_epoch(self, epoch: int, row: dict[str, float], rate: float, seconds: float) -> bool:
        """Record an epoch, and return whether it is the last."""
        ledger, reporter, monitor = self.ledger, self.outlets.reporter, self.watch.monitor.name
        is_best, stop, lower = self.watch.epoch(epoch, row[monitor])
        if is_best and self.setting.table.restore_best:
            self.best_weights.take()
        if lower:
            self.passes.rate.plateau_factor *= self.phase.curve.factor  # type: ignore[union-attr]
        ledger.add_epoch(self.phase.name, row, rate, seconds)
        self.rows.append(row)
        reporter.epoch(epoch + 1, self.phase.epochs, row, seconds, is_best)
        self.passes.callbacks.on_epoch_end(epoch, dict(row))
        what = f"phase {self.phase.name}, epoch {epoch + 1}"
        if not ends_phase(self.setting, self.passes.stopping, what, row, stop=stop):
            return False
        reason = f"{monitor} no longer improves" if stop else "a callback asked for it"
        reporter.say(f"  stopped after epoch {epoch + 1}: {reason}")
        return True

    def _use_best_weights(self) -> None:
        """Restore the best weights, and record their epoch and metrics in the ledger."""
        ledger, watch, last = self.ledger, self.watch, len(self.rows) - 1
        best = watch.best_epoch if self.best_weights.values else last
        if best != last:
            self.best_weights.put_back()
            which = "those that the phase began with" if best < 0 else f"those of epoch {best + 1}"
            value = f"{watch.monitor.name} {watch.best_value:.4f}"
            self.outlets.reporter.say(f"  restored the best weights: {which} ({value})")
        if best >= 0:
            ledger.best_epoch = ledger.epochs_done - last + best
            ledger.best_metrics = self.rows[best]

    def _prove(self, trained: Mapping[str, str]) -> Mapping[str, str]:
        """Check that frozen variables did not change, and write the freeze table.

        Args:
            trained: the digests of all variables before the best weights were restored.

        Returns:
            the digests of all variables now.
        """
        now = digests(self.model)
        # Trained variables are compared as training left them; frozen ones must be unchanged even after the restore.
        changing = self.best_weights.variables
        after = {key: trained[key] if key in changing else digest for key, digest in now.items()}
        try:
            rows = prove(self.setting.network, self.phase, self.before, after)
        except FreezeError as error:
            self.ledger.add_proof(self.phase.name, error.rows)
            raise
        self.ledger.add_proof(self.phase.name, rows)
        frozen = sum(not row.should_change for row in rows)
        if frozen:
            self.outlets.reporter.say(f"  proved: {frozen} frozen variables did not change")
        return now

    def _check_untouched(self, proved: Mapping[str, str]) -> None:
        """Check that no plugin changed a weight after the phase was proved: nothing of tlkit's own does."""
        changed = [key for key, digest in digests(self.model).items() if digest != proved[key]]
        if changed:
            raise PluginError(
                f"phase {self.phase.name}: {len(changed)} variables changed after the phase had ended: "
                f"{listed(changed)}. A plugin with tlkit_callbacks or tlkit_phase_finished did it (callbacks of "
                f"{owners(self.passes.callbacks.callbacks)}); expected the model to be left as it was trained"
            )

    def _write_weights(self) -> None:
        folder = self.outlets.folder.checkpoints
        folder.mkdir(exist_ok=True)
        target = folder / f"{self.index + 1}-{self.phase.name}.weights.h5"
        temporary = target.with_name(f".tmp-{target.name}")
        size = 4 * self.model.count_params()
        reserve(temporary, size + 50_000 + _HDF5_BYTES * len(self.model.weights))
        with full_disk_context(target, size), quick_walk():
            self.model.save_weights(temporary)
        temporary.replace(target)
