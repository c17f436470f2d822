"""One network out of several: the mean of their probabilities, as logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

_LEAST = 1e-37


class MeanOfProbabilities(keras.layers.Layer):  # type: ignore[misc]
    """From the logits of several models to the logits whose probabilities are the mean of theirs.

    Args:
        exclusive: True for a softmax over the last axis, False for a sigmoid of each logit.
        plain: compute the probabilities themselves and add 1e-37 to each, by operations that every runtime has:
            OpenVINO 2026.4 computes something else for log_softmax of feature maps.
        options: those of every Keras layer.
    """

    def __init__(self, exclusive: bool, plain: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.exclusive = exclusive
        self.plain = plain

    def call(self, inputs: Any) -> Any:
        """Return float32 logits, from a list of logits of the same shape."""
        logits = [ops.cast(each, "float32") for each in inputs]
        if self.plain:
            return self._plain(logits)
        if self.exclusive:
            return _log_mean([ops.log_softmax(each, -1) for each in logits])
        positive, negative = (_log_mean([ops.log_sigmoid(sign * each) for each in logits]) for sign in (1, -1))
        return positive - negative

    def _plain(self, logits: Sequence[Any]) -> Any:
        if self.exclusive:
            return _log(sum(ops.softmax(each, -1) for each in logits) / len(logits))
        positive, negative = (sum(ops.sigmoid(sign * each) for each in logits) / len(logits) for sign in (1, -1))
        return _log(positive) - _log(negative)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "exclusive": self.exclusive, "plain": self.plain}


def _log(probabilities: Any) -> Any:
    return ops.log(probabilities + _LEAST)


def _log_mean(logarithms: Sequence[Any]) -> Any:
    """Return the logarithm of the mean of numbers that are given by their logarithms."""
    return ops.logsumexp(ops.stack(logarithms), axis=0) - math.log(len(logarithms))


def mean_model(models: Sequence[Any], *, exclusive: bool) -> Any:
    """Return a model whose probabilities are the mean of those of several models.

    Args:
        models: flat functional models from images to logits, with the same shapes; they are not changed.
        exclusive: True if the logits are those of a softmax, False for sigmoids.

    Returns:
        a flat functional model from images to logits.
    """
    images = keras.Input(models[0].input_shape[1:])
    outputs = []
    for number, model in enumerate(models, 1):
        copy = keras.models.clone_model(
            model, input_tensors=images, clone_function=lambda layer, number=number: _renamed(layer, number)
        )
        copy.set_weights(model.get_weights())
        outputs.append(copy.outputs[0])
    return keras.Model(images, MeanOfProbabilities(exclusive, name="mean_of_probabilities")(outputs))


def with_plain_mean(model: Any) -> Any:
    """Return a model for export: one that ends with a mean of probabilities computes it by plain operations."""
    layer = model.layers[-1]
    if not isinstance(layer, MeanOfProbabilities):
        return model
    plain = MeanOfProbabilities(layer.exclusive, plain=True, name=layer.name)
    return keras.Model(model.input, plain(layer.input), name=model.name)


def _renamed(layer: Any, number: int) -> Any:
    """Return a copy of a layer with a name that no layer of another model has; its weights are assigned later."""
    return type(layer).from_config({**layer.get_config(), "name": f"model_{number}_{layer.name}"})
