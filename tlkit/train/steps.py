"""The compiled training and validation steps of a phase."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tlkit.contracts import Phase
from tlkit.models.freeze import Prepared
from tlkit.models.losses import BatchLoss
from tlkit.models.metrics import MetricSet
from tlkit.train.averaging import WeightAverage
from tlkit.train.features import FrozenPart
from tlkit.train.loss_scale import LossScale
from tlkit.train.rates import make_optimizer


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
        """The optimizer with the highest factor, the head's; what callbacks see as ``model.optimizer``."""
        return self.groups[0][1]

    @property
    def variables(self) -> list[Any]:
        """The state of all groups."""
        return [variable for _, optimizer, _ in self.groups for variable in optimizer.variables]

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of every group, its factor applied."""
        for factor, optimizer, _ in self.groups:
            optimizer.learning_rate = rate * factor

    def apply(self, gradients: list[Any], variables: tuple[Any, ...]) -> None:
        """Update the variables, each by its group's optimizer."""
        for _, optimizer, members in self.groups:
            optimizer.apply([gradients[i] for i in members], [variables[i] for i in members])


class Steps:
    """A phase's step functions, compiled once for all its epochs; ``train`` returns the batch's loss.

    A batch has images, or the ``features`` that the frozen part made of them.

    Args:
        prepared: the live part, and the variables that train.
        frozen: the frozen part; None: nothing is frozen.
        optimizers: which update them.
        loss: of a batch, class weights included.
        plain_loss: of a batch without class weights, for validation.
        training, validation: where the steps count.
        average: of the weights, brought up to date after each step; None for none.
        loss_scale: of the loss while gradients are taken of it, for float16; None for none.
    """

    def __init__(
        self,
        prepared: Prepared,
        frozen: FrozenPart | None,
        optimizers: Optimizers,
        loss: BatchLoss,
        plain_loss: BatchLoss,
        training: MetricSet,
        validation: MetricSet,
        average: WeightAverage | None = None,
        loss_scale: LossScale | None = None,
    ) -> None:
        variables = prepared.variables
        values = [variable.value for variable in variables]
        live = prepared.live_part

        def begin(batch: Mapping[str, Any]) -> Any:
            if "features" in batch:
                return batch["features"]
            return batch["images"] if frozen is None else frozen.forward(batch["images"])

        def train(batch: Mapping[str, Any]) -> Any:
            inputs = begin(batch)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                for value in values:
                    tape.watch(value)
                logits = live(inputs, training=True)
                batch_loss, count = loss(batch, logits)
                penalties = live.losses
                total = batch_loss + tf.add_n(penalties) if penalties else batch_loss
                scaled = total if loss_scale is None else loss_scale.scaled(total)
            gradients = tape.gradient(scaled, values)
            if loss_scale is None:
                optimizers.apply(gradients, variables)
            else:
                loss_scale.apply(gradients, lambda each: optimizers.apply(each, variables))
            if average is not None:
                average.update()
            training.update(batch, logits, total, count)
            return total

        def validate(batch: Mapping[str, Any]) -> None:
            logits = live(begin(batch), training=False)
            batch_loss, count = plain_loss(batch, logits)
            validation.update(batch, logits, batch_loss, count)

        self.train = _OfAnySize(train)
        self.validate = _OfAnySize(validate)


class _OfAnySize:
    """A function of a batch, traced once, for batches of any size.

    What it computes then does not depend on which batch came first: a run that goes on may begin with the last, smaller
    one.
    """

    def __init__(self, function: Callable[[Mapping[str, Any]], Any]) -> None:
        self._function = function
        self._traced: Any = None

    def __call__(self, batch: Mapping[str, Any]) -> Any:
        if self._traced is None:
            signature = tf.nest.map_structure(
                lambda tensor: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype), dict(batch)
            )
            # As Keras trains: to convert the layers' own Python would take longer than to trace them.
            self._traced = tf.function(self._function, input_signature=[signature], autograph=False)
        return self._traced(dict(batch))
