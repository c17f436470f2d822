"""A phase of a run: its epochs and steps, its state in a checkpoint, and the proof at its end."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tlkit.contracts import Phase, Plateau
from tlkit.data.feed.pipeline import Feed, batch_seeds, epoch_order
from tlkit.errors import RunError
from tlkit.models.freeze import (
    FreezeError,
    Prepared,
    digests,
    expected_changes,
    keyed_variables,
    prepare,
    prove,
)
from tlkit.recipe.monitor import choose_monitor
from tlkit.system.disk import full_disk_context
from tlkit.system.signals import Interrupted
from tlkit.train.averaging import WeightAverage
from tlkit.train.checkpoint import Checkpoint, PhaseState, WatchState
from tlkit.train.feature_cache import Keeping
from tlkit.train.features import FeatureFeed, FrozenPart
from tlkit.train.history import FreezeFile
from tlkit.train.loss_scale import LossScale
from tlkit.train.monitor import Watch
from tlkit.train.rates import LearningRate
from tlkit.train.steps import Optimizers, Steps

if TYPE_CHECKING:
    from tlkit.train.loop import Training


class PhaseRun:
    """A phase of a training.

    Args:
        training: whose phase it is.
        index: of the phase.
        phase: what is trained and how.
    """

    def __init__(self, training: Training, index: int, phase: Phase) -> None:
        self.shared = training
        self.index = index
        self.phase = phase
        self.network = training.network
        self.prepared: Prepared = prepare(training.network, phase)
        frozen = self.prepared.frozen_part
        self.part = None if frozen is None else FrozenPart(frozen)
        self.optimizers = Optimizers(phase, self.prepared)
        self.train_metrics = training.training
        self.validation_metrics = training.validation
        momentum = training.table.ema
        self.average = None if momentum is None else WeightAverage(self.prepared.variables, momentum)
        self.loss_scale = LossScale() if training.table.precision == "mixed_float16" else None
        self.steps = Steps(
            self.prepared,
            self.part,
            self.optimizers,
            training.loss,
            training.plain_loss,
            self.train_metrics,
            self.validation_metrics,
            average=self.average,
            loss_scale=self.loss_scale,
        )
        self.before: Mapping[str, str] = {}
        self.best_weights: dict[str, np.ndarray] = {}
        self.rows: list[dict[str, float]] = []
        self.callbacks: Any = None
        self.feed: Feed | FeatureFeed = Feed(training.data, training.batch_size, training.policies)
        self.validation_feed: Feed | FeatureFeed = Feed(training.data, training.batch_size)
        self.train_rows = training.data.indices("train")
        self.validation_rows = training.data.indices("validation")
        self.step_count = math.ceil(len(self.train_rows) / training.batch_size)
        self.rate = LearningRate(phase, self.step_count)
        self.watch = Watch(
            choose_monitor(training.table, training.targets.task, training.columns),
            phase.early_stop or training.table.early_stop,
            phase.curve if isinstance(phase.curve, Plateau) else None,
        )
        if training.table.restore_best and self.watch.monitor.name.startswith("val_"):
            # A phase that improves nothing leaves the weights that it was given.
            self.watch.best_value = training.kept.get(self.watch.monitor.name)
        variables = keyed_variables(training.network.model)
        self.changing = {
            key: variables[key] for key, changes in expected_changes(training.network, phase).items() if changes
        }

    def run(self, checkpoint: Checkpoint | None) -> None:
        """Train the phase, or go on with it where a checkpoint of it stands.

        Raises:
            RunError: a frozen variable moved, or the loss is not a finite number.
            Interrupted: a signal asked for it; a checkpoint was written.
        """
        shared = self.shared
        inside = None if checkpoint is None else checkpoint.state.inside
        self.before = digests(self.network.model) if inside is None else inside.before
        trainable = sum(math.prod(variable.shape) for variable in self.prepared.variables)
        shared.reporter.phase(self.phase, trainable, self.network.model.count_params(), shared.backbone)
        self._keep_features(None if inside is None else inside.cached)
        self.network.model.compile(optimizer=self.optimizers.main, loss=None)
        self.callbacks = keras.callbacks.CallbackList(
            list(shared.callbacks(shared.folder.path, self.phase)),
            model=self.network.model,
            epochs=self.phase.epochs,
            steps=self.step_count,
        )
        self.network.model.stop_training = False
        self.callbacks.on_train_begin()
        if checkpoint is not None and inside is not None:
            self._restore(checkpoint, inside)
        with shared.signals.deferred():
            trained, shared.kept = self._epochs(inside)
        shared.signals.stop()
        self.callbacks.on_train_end()
        self._prove(self.before, trained, shared.freeze)
        shutil.rmtree(self._own_folder, ignore_errors=True)
        shared.folder.checkpoints.mkdir(exist_ok=True)
        self._keep_weights()
        shared.phase_finished(shared.folder.path, self.phase, shared.kept)

    @property
    def _own_folder(self) -> Path:
        return self.shared.folder.path / "cache" / f"features-{self.index}"

    def _keep_features(self, decided: bool | None) -> None:
        shared = self.shared
        if self.part is None or not isinstance(self.feed, Feed):
            return
        keeping = Keeping(
            part=self.part,
            feed=self.feed,
            data=shared.data,
            task=shared.targets.task,
            policies=shared.policies,
            table=shared.table,
            seed=shared.seed,
            phase=self.index,
            epochs=self.phase.epochs,
            backbone=shared.backbone,
            settings=shared.input_settings,
            own=self._own_folder,
            reporter=shared.reporter,
        )
        feeds = keeping.feeds(decided)
        if feeds is not None:
            self.feed, self.validation_feed = feeds

    # State --------------------------------------------------------------------------------------------------------

    def _save(self, epoch: int, step: int, *, stopped: bool = False) -> None:
        stop, plateau = self.watch.waiting
        state = PhaseState(
            epoch=epoch,
            step=step,
            stopped=stopped,
            cached=isinstance(self.feed, FeatureFeed),
            plateau_factor=self.rate.plateau_factor,
            watch=WatchState(
                best_value=self.watch.best_value, best_epoch=self.watch.best_epoch, stop=stop, plateau=plateau
            ),
            rows=self.rows,
            before=self.before,
            callbacks=[_plain(vars(each)) for each in self.callbacks.callbacks],
        )
        arrays = {f"best/{key}": value for key, value in self.best_weights.items()}
        for name, variables in self._state_variables.items():
            arrays |= {f"{name}/{number:04d}": np.array(variable) for number, variable in enumerate(variables)}
        self.shared.save(self.index, state, arrays)

    @property
    def _state_variables(self) -> dict[str, list[Any]]:
        return {
            "optimizer": self.optimizers.variables,
            "average": [] if self.average is None else self.average.variables,
            "loss scale": [] if self.loss_scale is None else self.loss_scale.variables,
            "metric": self.train_metrics.variables,
        }

    def _restore(self, checkpoint: Checkpoint, state: PhaseState) -> None:
        for name, variables in self._state_variables.items():
            values = [value for _, value in sorted(checkpoint.group(name).items())]
            if [tuple(value.shape) for value in values] != [tuple(variable.shape) for variable in variables]:
                raise RunError(
                    f"{self.shared.folder.checkpoints}: the {name}'s state is not that of this recipe; "
                    "was the recipe in the run folder changed?"
                )
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        self.best_weights = checkpoint.group("best")
        self.rows = [dict(row) for row in state.rows]
        watch = state.watch
        self.watch.restore((watch.best_value, watch.best_epoch), watch.stop, watch.plateau)
        self.rate.plateau_factor = state.plateau_factor
        for callback, attributes in zip(self.callbacks.callbacks, state.callbacks, strict=False):
            vars(callback).update(attributes)

    def _pause(self, epoch: int, step: int) -> None:
        """Write a checkpoint if one is due; and stop after one if a signal asked for it."""
        if self.shared.checkpoints.due() or self.shared.signals.asked:
            self._save(epoch, step)
            self.shared.signals.stop()

    # Training -----------------------------------------------------------------------------------------------------

    def _epochs(self, inside: PhaseState | None) -> tuple[Mapping[str, str], Mapping[str, float]]:
        shared = self.shared
        shared.monitor = self.watch.monitor.name
        if inside is None and self.watch.best_value is not None:
            self.best_weights = self._changing_weights()
        first, start = (0, 0) if inside is None else (inside.epoch, inside.step)
        stopped = inside is not None and inside.stopped
        for epoch in range(first, self.phase.epochs):
            if stopped:
                break
            stopped = self._epoch(epoch, start if epoch == first else 0)
            if shared.checkpoints.due(epoch_ended=True) or stopped or epoch + 1 == self.phase.epochs:
                self._save(epoch + 1, 0, stopped=stopped)
            shared.signals.stop()
        return self._kept()

    def _epoch(self, epoch: int, start: int) -> bool:
        """Train an epoch from a step on; true when it is to be the last."""
        shared, callbacks = self.shared, self.callbacks
        began = time.monotonic()
        if start == 0:
            callbacks.on_epoch_begin(epoch)
            if self.average is not None and epoch:
                self.average.swap()
            self.train_metrics.reset()
        rate, last = self._train_epoch(epoch, start)
        row = self.train_metrics.result()
        if not all(np.isfinite(np.array(variable)).all() for variable in self.changing.values()):
            what = "the weights are no longer finite"
            raise self._diverged(epoch, self.step_count, what, rate, last)
        if self.average is not None:
            self.average.swap()
        try:
            if len(self.validation_rows):
                row |= {f"val_{name}": value for name, value in self._validate().items()}
        except Interrupted:
            if self.average is not None:
                self.average.swap()
            self._save(epoch, self.step_count)
            raise
        if not math.isfinite(row.get("val_loss", 0.0)):
            raise self._diverged(epoch, self.step_count, f"the validation loss is {row['val_loss']}", rate, last)
        value = row[self.watch.monitor.name]
        is_best, stop, lower = self.watch.epoch(epoch, value)
        if is_best and shared.table.restore_best:
            self.best_weights = self._changing_weights()
        if lower:
            self.rate.plateau_factor *= self.phase.curve.factor  # type: ignore[union-attr]
        seconds = time.monotonic() - began
        shared.epochs_done += 1
        shared.history.add(self.phase.name, shared.epochs_done, row, rate, seconds)
        self.rows.append(row)
        shared.reporter.epoch(epoch + 1, self.phase.epochs, row, seconds, is_best)
        callbacks.on_epoch_end(epoch, dict(row))
        if stop or self.network.model.stop_training:
            why = "a callback asked for it" if not stop else f"{self.watch.monitor.name} no longer improves"
            shared.reporter.say(f"  stopped after epoch {epoch + 1}: {why}")
            return True
        return False

    def _kept(self) -> tuple[Mapping[str, str], Mapping[str, float]]:
        """Put the best weights back; the digests of the last, and the metrics of those that are kept."""
        shared = self.shared
        trained = digests(self.network.model)
        if self.best_weights and self.watch.best_epoch != len(self.rows) - 1:
            self._put_back(self.best_weights)
            began_with = self.watch.best_epoch < 0
            which = (
                "weights that the phase began with" if began_with else f"weights of epoch {self.watch.best_epoch + 1}"
            )
            shared.reporter.say(f"  kept the {which} ({self.watch.monitor.name} {self.watch.best_value:.4f})")
            if began_with:
                return trained, shared.kept
            shared.kept_epoch = shared.epochs_done - len(self.rows) + self.watch.best_epoch + 1
            return trained, self.rows[self.watch.best_epoch]
        shared.kept_epoch = shared.epochs_done
        return trained, self.rows[-1]

    def _train_epoch(self, epoch: int, start: int) -> tuple[float, np.ndarray]:
        """The last step's learning rate and rows."""
        shared, callbacks = self.shared, self.callbacks
        order = self.train_rows[epoch_order(shared.seed, self.index, epoch, len(self.train_rows))]
        seeds = batch_seeds(shared.seed, self.index, epoch, self.step_count)
        title = f"epoch {epoch + 1}/{self.phase.epochs}"
        shared.reporter.begin(title, len(order))
        last = order[(self.step_count - 1) * shared.batch_size :]
        rate = applied = self.rate.at(epoch, min(start, self.step_count - 1))
        self.optimizers.set_rate(rate)
        for step, batch in enumerate(self.feed.epoch(order, seeds, start=start, number=epoch), start):
            rate = self.rate.at(epoch, step)
            if rate != applied:
                self.optimizers.set_rate(rate)
                applied = rate
            callbacks.on_train_batch_begin(step)
            loss = float(self.steps.train(batch))
            if not math.isfinite(loss):
                raise self._diverged(epoch, step + 1, f"the loss is {loss}", rate, np.asarray(batch["index"]))
            callbacks.on_train_batch_end(step)
            shared.reporter.at(min((step + 1) * shared.batch_size, len(order)), len(order), title)
            self._pause(epoch, step + 1)
        return rate, last

    def _diverged(self, epoch: int, step: int, what: str, rate: float, rows: np.ndarray) -> RunError:
        samples = self.shared.data.samples
        names = ", ".join(samples[int(row)].key for row in rows[:8]) if samples else ""
        more = f" and {len(rows) - 8} more" if len(rows) > 8 else ""
        return RunError(
            f"phase {self.phase.name}, epoch {epoch + 1}, step {step}: {what} at learning rate {rate:g}; lower the "
            f"schedule's learning rate, or look for images or labels out of range among the step's: {names}{more}"
        )

    def try_rates(self, rates: Sequence[float]) -> Iterator[float]:
        """Train a step at each learning rate; as ``Training.try_rates``."""
        shared = self.shared
        remaining = iter(rates)
        for epoch in count():
            order = self.train_rows[epoch_order(shared.seed, self.index, epoch, len(self.train_rows))]
            for batch in self.feed.epoch(order, batch_seeds(shared.seed, self.index, epoch, self.step_count)):
                rate = next(remaining, None)
                if rate is None:
                    return
                self.optimizers.set_rate(rate)
                yield float(self.steps.train(batch))

    def _validate(self) -> dict[str, float]:
        callbacks = self.callbacks
        self.validation_metrics.reset()
        callbacks.on_test_begin()
        dataset = self.validation_feed.epoch(self.validation_rows)
        for step, batch in enumerate(dataset):
            callbacks.on_test_batch_begin(step)
            self.steps.validate(batch)
            callbacks.on_test_batch_end(step)
            self.shared.signals.stop()
        values = self.validation_metrics.result()
        callbacks.on_test_end(dict(values))
        return values

    def _prove(self, before: Mapping[str, str], trained: Mapping[str, str], freeze: FreezeFile) -> None:
        kept = digests(self.network.model)
        # What trains may have been put back to the best epoch; what is frozen has to be still at the very end.
        after = {key: trained[key] if key in self.changing else digest for key, digest in kept.items()}
        try:
            rows = prove(self.network, self.phase, before, after)
        except FreezeError as error:
            freeze.add(self.phase.name, error.rows)
            raise
        freeze.add(self.phase.name, rows)
        still = sum(not row.should_change for row in rows)
        if still:
            self.shared.reporter.say(f"  proved: {still} frozen variables did not change")

    def _changing_weights(self) -> dict[str, np.ndarray]:
        return {key: np.array(variable) for key, variable in self.changing.items()}

    def _put_back(self, weights: Mapping[str, np.ndarray]) -> None:
        for key, value in weights.items():
            self.changing[key].assign(value)

    def _keep_weights(self) -> None:
        target = self.shared.folder.checkpoints / f"{self.index + 1}-{self.phase.name}.weights.h5"
        temporary = target.with_name(f".tmp-{target.name}")
        with full_disk_context(target, 4 * self.network.model.count_params()):
            self.network.model.save_weights(temporary)
        temporary.replace(target)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a callback that JSON can hold; those of Keras's own that are made anew are left out."""
    made_anew = ("params", "_model")
    return {key: value for key, value in values.items() if key not in made_anew and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return value is None or isinstance(value, bool | int | float | str)
