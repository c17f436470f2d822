"""Convert a Keras model to LiteRT's format."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from tlkit.system.memory import is_exhausted
from tlkit.system.stderr import without_lines

_CONSTANT_BYTES = 50e6
"""The largest weights to convert as constants of the graph. That takes a third of the time for a network of many small
layers, but 20 times the weights' memory; as variables they take 9 times, and the time grows with the layers."""
_SPARE = 200_000_000
_MEMORY = (25, 10)
"""Bytes that a conversion takes per byte of weights: as constants (24.5 were seen with MobileNetV2 and EfficientNetB0),
and as variables (7.0 with ResNet50, 5.4 with VGG16)."""
_CHATTER = r"([IW]\d{4} |INFO:|WARNING: All log messages)"


class NotConvertibleError(Exception):
    """LiteRT's built-in operations don't have what the model needs."""


def convert_to_litert(model: Any) -> bytes:
    """Return a model in inference mode as the bytes of a LiteRT file for one image at a time.

    The converter folds BatchNormalization into convolutions itself. Without a fixed number of images it would compute
    shapes at run time, which XNNPACK can't.

    Args:
        model: a functional model from one or more float32 tensors, such as images (N, H, W, 3), to one or more others;
            only N is not fixed.

    Raises:
        NotConvertibleError: an operation has no counterpart among LiteRT's built-in ones.
    """
    as_constants = _weights_bytes(model) <= _CONSTANT_BYTES
    with _quiet():
        try:
            converter = _of_constants(model) if as_constants else _of_variables(model)
            return bytes(converter.convert())
        except Exception as error:  # the converter's own error class is not public
            if is_exhausted(error):
                raise
            reason = str(error).strip() or type(error).__name__
            raise NotConvertibleError(reason.splitlines()[0]) from error


def conversion_memory(model: Any) -> int:
    """Return about how many bytes of memory the conversion of a model takes."""
    size = _weights_bytes(model)
    return _SPARE + _MEMORY[size > _CONSTANT_BYTES] * size


def _weights_bytes(model: Any) -> int:
    return sum(4 * math.prod(variable.shape) for variable in model.variables)


def _of_constants(model: Any) -> Any:
    values = [(variable, keras.ops.convert_to_numpy(variable)) for variable in model.variables]

    def forward(*inputs: Any) -> list[Any]:
        with keras.StatelessScope(state_mapping=[(variable, tf.constant(value)) for variable, value in values]):
            return _outputs(model, inputs)

    return tf.lite.TFLiteConverter.from_concrete_functions([_traced(model, forward)])


def _of_variables(model: Any) -> Any:
    module = tf.Module()
    module.variables_of_the_model = [variable.value for variable in model.variables]
    function = _traced(model, lambda *inputs: _outputs(model, inputs))
    return tf.lite.TFLiteConverter.from_concrete_functions([function], module)


def _traced(model: Any, forward: Callable[..., list[Any]]) -> Any:
    inputs = [
        tf.TensorSpec((1, *each.shape[1:]), tf.float32, name=f"input_{number}")
        for number, each in enumerate(model.inputs)
    ]
    return tf.function(forward, input_signature=inputs, autograph=False).get_concrete_function()


def _outputs(model: Any, inputs: Sequence[Any]) -> list[Any]:
    values = tf.nest.pack_sequence_as(model.input, inputs)
    return [tf.cast(each, tf.float32) for each in tf.nest.flatten(model(values, training=False))]


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the converter writes besides errors."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with without_lines(_CHATTER):
            yield
    finally:
        logger.setLevel(before)
