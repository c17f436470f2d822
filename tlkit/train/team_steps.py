"""The steps of a phase on several workers or devices, each with some rows of every batch; in effect those of one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tlkit.contracts import Phase
from tlkit.train.devices import DeviceTeam
from tlkit.train.setting import Setting
from tlkit.train.shared_batch import RowsOfBatch, layers_shared, refuse_unshared
from tlkit.train.steps import Steps
from tlkit.train.stopping import Stopping


def make_steps(setting: Setting, phase: Phase, stopping: Stopping) -> Steps:
    """Return the steps of a phase, for as many workers or devices as the training has."""
    team = setting.team
    if team.parts == 1:
        return Steps(setting, phase)
    return DeviceSteps(setting, phase, stopping) if team.size == 1 else TeamSteps(setting, phase, stopping)


class TeamSteps(Steps):
    """The steps of a phase on several workers.

    Each worker computes its rows. Sums over all workers follow: of the gradients, before anything is decided by them;
    of the loss, which divides by the number of elements of the whole batch; and of what the rows add to the metrics.
    From there on every worker does the same as one process would.

    Args:
        setting: the network, data and settings of the training.
        phase: which layers train, and how.
        stopping: told with each step whether a signal came to any worker.
    """

    def __init__(self, setting: Setting, phase: Phase, stopping: Stopping) -> None:
        super().__init__(setting, phase)
        self._team = setting.team
        self._stopping = stopping
        # Each device of a process is traced by a thread of its own.
        self._traced = threading.local()
        self.train, self.validate = self._asking(self.train), self._asking(self.validate)

    def _asking(self, step: Callable[[Mapping[str, Any]], Any]) -> Callable[[Mapping[str, Any]], Any]:
        """Return a step that also says whether a signal came to this worker, and hears whether one came to any."""

        def asking(batch: Mapping[str, Any]) -> Any:
            result, asked = step({**batch, "asked": tf.constant([float(self._stopping.here)])})
            self._stopping.heard(bool(asked > 0))
            return result

        return asking

    def _train(self, batch: Mapping[str, Any]) -> Any:
        with layers_shared(self.live, lambda: self._traced.rows):
            gradients, total, count, asked, increments = self._team.run(self._train_rows, [dict(batch)])
        if self._loss_scale is None:
            self._update(gradients)
        else:
            self._loss_scale.apply(gradients, self._update)
        if self.average is not None:
            self.average.update()
        self._train_metrics.add(increments, total, count)
        return total, asked

    def _train_rows(self, batch: dict[str, Any]) -> Any:
        """Return the gradients, loss, elements, signals and increments of the metrics, of the whole batch."""
        rows, asked = self._rows(batch)
        inputs = self._inputs(batch)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for value in self._values:
                tape.watch(value)
            logits = self.live(inputs, training=True)
            penalties = self.live.losses
            batch_loss, count = self._loss(batch, logits, rows)
            # What penalises activities is a mean over the rows here; what penalises weights is the same everywhere.
            total = batch_loss + rows.share * tf.add_n(penalties) if penalties else batch_loss
            scaled = total if self._loss_scale is None else self._loss_scale.scaled(total)
        gradients = tape.gradient(scaled, self._values)
        present = [place for place, gradient in enumerate(gradients) if gradient is not None]
        sums = [tf.convert_to_tensor(gradients[place]) for place in present]
        increments = self._train_metrics.increments(batch, logits)
        summed = self._team.sum([*sums, total, asked, *increments])
        for place, gradient in zip(present, summed, strict=False):
            gradients[place] = gradient
        total, asked, *increments = summed[len(present) :]
        return gradients, total, count, asked[0], [_without(rows.copies, each) for each in increments]

    def _validate(self, batch: Mapping[str, Any]) -> Any:
        loss, count, asked, increments = self._team.run(self._validate_rows, [dict(batch)])
        self._validation_metrics.add(increments, loss, count)
        return loss, asked

    def _validate_rows(self, batch: dict[str, Any]) -> Any:
        """Return the loss, elements, signals and increments of the metrics, of the whole batch."""
        rows, asked = self._rows(batch)
        logits = self.live(self._inputs(batch), training=False)
        loss, count = self._plain_loss(batch, logits, rows)
        increments = self._validation_metrics.increments(batch, logits)
        loss, asked, *increments = self._team.sum([loss, asked, *increments])
        return loss, count, asked[0], [_without(rows.copies, each) for each in increments]

    def _rows(self, batch: dict[str, Any]) -> tuple[RowsOfBatch, Any]:
        """Take out of a batch where its rows are, and whether a signal came to this worker."""
        place, asked = batch.pop("place"), batch.pop("asked")
        self._traced.rows = rows = RowsOfBatch(self._team, place, tf.shape(batch["index"])[0])
        return rows, asked


class DeviceSteps(TeamSteps):
    """The steps of a phase on several devices of this process, each with some rows of every batch.

    Raises:
        RunError: a layer adds a loss, which devices can't share; ``train`` raises it.
    """

    def __init__(self, setting: Setting, phase: Phase, stopping: Stopping) -> None:
        super().__init__(setting, phase, stopping)
        assert isinstance(setting.team, DeviceTeam)
        self._devices = setting.team

    def _train(self, batch: Mapping[str, Any]) -> Any:
        result = super()._train(batch)
        refuse_unshared(self.live)  # losses that layers add are known once they were called
        return result

    def _rows(self, batch: dict[str, Any]) -> tuple[RowsOfBatch, Any]:
        """Cut the rows of this device out of a batch; return where they are, and whether a signal came."""
        asked = batch.pop("asked")
        with tf.device("CPU:0"):  # so that no other rows are copied to the device
            whole = tf.shape(batch["index"])[0]
            first, count = self._devices.part(whole)
            own = tf.nest.map_structure(lambda each: each[first : first + count], batch)
        batch.update(own)
        self._traced.rows = rows = RowsOfBatch(self._devices, tf.stack([first, whole]), count)
        return rows, asked


def _without(copies: Any, increment: Any) -> Any:
    """Return what a batch adds to a variable of a metric, where each of its rows was counted ``copies`` times."""
    if increment.dtype.is_integer:
        return increment // tf.cast(copies, increment.dtype)
    return increment / tf.cast(copies, increment.dtype)
