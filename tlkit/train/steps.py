"""The compiled training and validation steps of a phase."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tlkit.contracts import Phase
from tlkit.models.freeze import Prepared, apply_flags, prepare
from tlkit.train.averaging import WeightAverage
from tlkit.train.frozen_part import FrozenPart
from tlkit.train.loss_scale import LossScale
from tlkit.train.rates import make_optimizer
from tlkit.train.setting import Setting


class Optimizers:
    """One new Keras optimizer for each learning-rate factor of a phase, in the order of the factors, highest first."""

    def __init__(self, phase: Phase, prepared: Prepared) -> None:
        factors = sorted(set(prepared.factors), reverse=True)
        self.groups = []
        for factor in factors:
            members = [i for i, own in enumerate(prepared.factors) if own == factor]
            optimizer = make_optimizer(phase.optimizer, phase.learning_rate * factor)
            optimizer.build([prepared.variables[i] for i in members])
            self.groups.append((factor, optimizer, members))

    @property
    def main(self) -> Any:
        """The optimizer with the highest factor, the head's; callbacks see it as ``model.optimizer``."""
        return self.groups[0][1]

    @property
    def variables(self) -> list[Any]:
        """The state of all groups."""
        return [variable for _, optimizer, _ in self.groups for variable in optimizer.variables]

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of every group, its factor applied."""
        for factor, optimizer, _ in self.groups:
            optimizer.learning_rate = rate * factor

    def rates(self) -> list[float]:
        """Return the learning rate that each group has now, without its factor; 0 for a factor of 0."""
        return [float(optimizer.learning_rate) / factor if factor else 0.0 for factor, optimizer, _ in self.groups]

    def apply(self, gradients: list[Any], variables: tuple[Any, ...]) -> None:
        """Update the variables, each by its group's optimizer."""
        for _, optimizer, members in self.groups:
            optimizer.apply([gradients[i] for i in members], [variables[i] for i in members])


class Steps:
    """The steps of a phase, compiled once for all its epochs. Sets the ``trainable`` flags of the phase.

    A batch has ``images``, or the ``features`` that the frozen part computed from them.

    Args:
        setting: the network, data and settings of the training.
        phase: which layers train, and how.

    Attributes:
        variables: the variables that train.
        frozen: the frozen part of the model; None: nothing is frozen.
        live: the rest of the model; the whole where nothing is frozen.
        optimizers: the optimizers that update the variables.
        average: the moving average of the weights, updated after each step; None without ``train.ema``.
        train: takes a batch, updates the variables and returns the loss.
        validate: takes a batch and counts it in the validation metrics.

    Raises:
        PluginError: the phase names a block that the backbone does not have.
        RecipeError: the loss, a metric, the class weights or the optimizer are wrong.
    """

    def __init__(self, setting: Setting, phase: Phase) -> None:
        apply_flags(setting.network, phase)
        prepared = prepare(setting.network, phase)
        self.variables = prepared.variables
        self._values = [variable.value for variable in self.variables]
        self.frozen = None if prepared.frozen_part is None else FrozenPart(prepared.frozen_part)
        self.live = prepared.live_part
        self.optimizers = Optimizers(phase, prepared)
        momentum = setting.table.ema
        self.average = None if momentum is None else WeightAverage(self.variables, momentum)
        self._loss_scale = LossScale() if setting.table.precision == "mixed_float16" else None
        self._loss, self._plain_loss = setting.loss, setting.plain_loss
        self._train_metrics, self._validation_metrics = setting.train_metrics, setting.validation_metrics
        self.train: Callable[[Mapping[str, Any]], Any] = _OfAnySize(self._train)
        self.validate: Callable[[Mapping[str, Any]], Any] = _OfAnySize(self._validate)

    @property
    def weight_count(self) -> int:
        """The number of weights that train."""
        return sum(math.prod(variable.shape) for variable in self.variables)

    @property
    def state(self) -> dict[str, list[Any]]:
        """The variables besides the model's that a checkpoint needs, by kind."""
        return {
            "optimizer": self.optimizers.variables,
            "average": [] if self.average is None else self.average.variables,
            "loss scale": [] if self._loss_scale is None else self._loss_scale.variables,
            "metric": self._train_metrics.variables,
        }

    def swap_average(self) -> None:
        """Exchange the weights and their moving average, if there is one; a second call exchanges them back."""
        if self.average is not None:
            self.average.swap()

    def _inputs(self, batch: Mapping[str, Any]) -> Any:
        if "features" in batch:
            return batch["features"]
        return batch["images"] if self.frozen is None else self.frozen.forward(batch["images"])

    def _train(self, batch: Mapping[str, Any]) -> Any:
        inputs = self._inputs(batch)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for value in self._values:
                tape.watch(value)
            logits = self.live(inputs, training=True)
            batch_loss, count = self._loss(batch, logits)
            penalties = self.live.losses
            total = batch_loss + tf.add_n(penalties) if penalties else batch_loss
            scaled = total if self._loss_scale is None else self._loss_scale.scaled(total)
        gradients = tape.gradient(scaled, self._values)
        if self._loss_scale is None:
            self._update(gradients)
        else:
            self._loss_scale.apply(gradients, self._update)
        if self.average is not None:
            self.average.update()
        self._train_metrics.update(batch, logits, total, count)
        return total

    def _update(self, gradients: list[Any]) -> None:
        self.optimizers.apply(gradients, self.variables)

    def _validate(self, batch: Mapping[str, Any]) -> None:
        logits = self.live(self._inputs(batch), training=False)
        batch_loss, count = self._plain_loss(batch, logits)
        self._validation_metrics.update(batch, logits, batch_loss, count)


class _OfAnySize:
    """A function of a batch, traced once, for batches of any size.

    What it computes thus does not depend on which batch came first: a resumed run may begin with the last, smaller one.
    """

    def __init__(self, function: Callable[[Mapping[str, Any]], Any]) -> None:
        self._function = function
        self._traced: Any = None

    def __call__(self, batch: Mapping[str, Any]) -> Any:
        if self._traced is None:
            signature = tf.nest.map_structure(
                lambda tensor: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype), dict(batch)
            )
            # As Keras does: converting the layers' own Python with AutoGraph would take longer than tracing it.
            self._traced = tf.function(self._function, input_signature=[signature], autograph=False)
        return self._traced(dict(batch))
