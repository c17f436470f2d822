"""The function that is exported: a Keras model, traced in inference mode, and written as a SavedModel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlkit.contracts import InputType
from tlkit.errors import RunError
from tlkit.models.mean_probabilities import with_plain_mean
from tlkit.models.outputs import PROBABILITIES, with_probabilities
from tlkit.models.tasks import LearningTask

LOGITS = "logits"
_CONSTANTS = ("mean", "variance")


@dataclass(frozen=True)
class Traced:
    """A traced model.

    Args:
        function: a ``tf.function`` with one signature: ``images`` (N, H, W, 3) → ``logits`` and ``probabilities``.
        model: the Keras model, from images to logits.
        variables: the variables that the function reads.
    """

    function: Any
    model: Any
    variables: tuple[Any, ...]

    def save(self, folder: Path) -> None:
        """Write it as a SavedModel with the signature ``serving_default``."""
        module = tf.Module()
        module.variables_of_the_model = list(self.variables)
        module.serve = self.function
        tf.saved_model.save(module, str(folder), signatures={"serving_default": self.function})


def traced(model: Any, task: LearningTask, input_type: InputType) -> Traced:
    """Trace a Keras model in inference mode.

    Every layer is told ``training=False``: else Keras's preprocessing layers, such as ``Resizing``, run
    BatchNormalization and Dropout behind them in training mode. ``autograph=False``: nothing is rewritten. Mean and
    variance of Normalization layers are constants of the graph: as tensors that it captures, tf2onnx makes them inputs.

    Args:
        model: the functional model, from float32 (N, H, W, 3) in 0-255 to logits.
        task: what the logits mean.
        input_type: the type of the images; 0-255 in both.
    """
    model = with_plain_mean(model)
    whole = with_probabilities(model, task)
    both = keras.Model(whole.input, [model.output, whole.output], name=model.name)
    images = tf.TensorSpec((None, *model.input_shape[1:]), input_type, name="images")

    def serve(images: Any) -> dict[str, Any]:
        logits, probabilities = both(tf.cast(images, tf.float32), training=False)
        return {LOGITS: tf.cast(logits, tf.float32), PROBABILITIES: tf.cast(probabilities, tf.float32)}

    function = tf.function(serve, input_signature=[images], autograph=False)
    with _constant_normalization(both):
        graph = function.get_concrete_function().graph
    _check_inference(graph)
    return Traced(function, model, tuple(each.value for each in model.variables))


@contextmanager
def _constant_normalization(model: Any) -> Iterator[None]:
    layers = [each for each in model._flatten_layers() if isinstance(each, keras.layers.Normalization)]
    before = [{name: getattr(each, name, None) for name in _CONSTANTS} for each in layers]
    try:
        for layer, values in zip(layers, before, strict=True):
            for name, value in values.items():
                if value is not None and not isinstance(value, np.ndarray):
                    setattr(layer, name, np.asarray(keras.ops.convert_to_numpy(value)))
        yield
    finally:
        for layer, values in zip(layers, before, strict=True):
            for name, value in values.items():
                setattr(layer, name, value)


def _check_inference(graph: Any) -> None:
    """Check that nothing in the graph changes a variable, as BatchNormalization does in training mode.

    Raises:
        RunError: something does.
    """
    names = [each.type for each in graph.get_operations()]
    names += [node.op for each in graph.as_graph_def().library.function for node in each.node_def]
    changing = sorted({each for each in names if each.startswith("Assign") and each.endswith("VariableOp")})
    if changing:
        raise RunError(
            f"the model can't be exported: it changes its variables while it predicts ({', '.join(changing)}); a layer "
            "of a plugin that does so is not in inference mode with training=False"
        )
