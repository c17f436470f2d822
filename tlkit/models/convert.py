"""Convert a Keras model to LiteRT's format."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class NotConvertibleError(Exception):
    """LiteRT's built-in operations don't have what the model needs."""


def convert_to_litert(model: Any) -> bytes:
    """Return a model in inference mode as the bytes of a LiteRT file for one image at a time.

    The weights are constants of the graph, with which the converter folds BatchNormalization into convolutions itself.
    Without a fixed number of images it would compute shapes at run time, which XNNPACK can't.

    Args:
        model: a functional model from float32 (N, H, W, 3) to one or more tensors; H and W fixed.

    Raises:
        NotConvertibleError: an operation has no counterpart among LiteRT's built-in ones.
    """
    values = [(variable, keras.ops.convert_to_numpy(variable)) for variable in model.variables]
    image = tf.TensorSpec((1, *model.inputs[0].shape[1:]), tf.float32, name="images")

    def forward(images: Any) -> list[Any]:
        with keras.StatelessScope(state_mapping=[(variable, tf.constant(value)) for variable, value in values]):
            return [tf.cast(each, tf.float32) for each in tf.nest.flatten(model(images, training=False))]

    function = tf.function(forward, input_signature=[image], autograph=False).get_concrete_function()
    try:
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())
    except Exception as error:  # the converter's own error class is not public
        raise NotConvertibleError(str(error).strip().splitlines()[0]) from error
