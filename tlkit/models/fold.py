"""Folding BatchNormalization into the layer before it, for inference: the same function in fewer operations.

In inference BatchNormalization scales and shifts each channel, which the convolution or dense layer before it can do
with its own weights (Jacob et al. 2018, https://arxiv.org/abs/1712.05877, section 3.2).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tlkit.models.graph import calls, flat, inputs_of, operations

_KERNELS = {
    keras.layers.Conv2D: "kernel",
    keras.layers.DepthwiseConv2D: "kernel",
    keras.layers.SeparableConv2D: "pointwise_kernel",
    keras.layers.Dense: "kernel",
}
"""Layers that can absorb a scale and a shift → the weight whose last axes are the output channels."""


class Folded(keras.layers.Layer):  # type: ignore[misc]
    """Takes the place of a folded BatchNormalization and returns its inputs."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ARG002
        """Return the inputs."""
        return inputs


def fold_batch_norm(model: Any) -> Any:
    """Copy a model for inference, with each BatchNormalization folded into the layer before it.

    Args:
        model: a flat functional model; it is not changed, and later changes of its weights don't reach the copy.

    Returns:
        a functional model with the same inputs and outputs; outputs agree to about 1e-6 relative in float32. The model
        itself if nothing can be folded.
    """
    pairs = _pairs(model)
    if not pairs:
        return model
    folded = {norm.name for norm in pairs.values()}

    def clone(layer: Any) -> Any:
        if layer.name in folded:
            return Folded(name=layer.name, dtype=layer.dtype_policy)
        config = layer.get_config()
        # Every weight is assigned below; random initial values would only cost time.
        config |= {key: "zeros" for key, value in config.items() if key.endswith("_initializer") and value is not None}
        if layer.name in pairs:
            config["use_bias"] = True
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        if layer.name in pairs:
            _assign(copy.get_layer(layer.name), layer, pairs[layer.name])
        elif layer.weights and layer.name not in folded:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _pairs(model: Any) -> dict[str, Any]:
    """Return layer name → the BatchNormalization that can be folded into this layer."""
    producers: dict[int, Any] = {}
    consumers: dict[int, int] = {id(tensor): 1 for tensor in flat(model.outputs)}
    for operation in operations(model):
        for tensor in inputs_of(operation):
            consumers[id(tensor)] = consumers.get(id(tensor), 0) + 1
        for tensor in flat(operation.output):
            producers[id(tensor)] = operation
    pairs = {}
    for norm in operations(model):
        if type(norm) is not keras.layers.BatchNormalization:
            continue
        (tensor,) = inputs_of(norm)
        layer = producers.get(id(tensor))
        if (
            layer is not None
            and type(layer) in _KERNELS
            and consumers[id(tensor)] == 1
            and layer.activation is keras.activations.linear
            and getattr(layer, "data_format", "channels_last") == "channels_last"
            and norm.axis in (-1, len(tensor.shape) - 1)
        ):
            pairs[layer.name] = norm
    # A shared layer has consumers besides those of its first output.
    called = calls(model) if pairs else {}
    return {name: norm for name, norm in pairs.items() if called[name] == called[norm.name] == 1}


def _assign(new: Any, layer: Any, norm: Any) -> None:
    def values(variable: Any, otherwise: float) -> Any:
        return otherwise if variable is None else keras.ops.convert_to_numpy(variable).astype(np.float64)

    deviation = np.sqrt(values(norm.moving_variance, 1.0) + norm.epsilon)
    scale = values(norm.gamma, 1.0) / deviation
    shift = values(norm.beta, 0.0) - values(norm.moving_mean, 0.0) * scale
    name = _KERNELS[type(layer)]
    for variable in layer.weights:
        value = values(variable, 0.0)
        if variable.name == name:
            # A depthwise kernel has its output channels in two axes.
            axes = value.shape[2:] if isinstance(layer, keras.layers.DepthwiseConv2D) else value.shape[-1:]
            value = value * scale.reshape(axes)
        if variable.name != "bias":
            getattr(new, variable.name).assign(value)
    new.bias.assign(values(layer.bias if layer.use_bias else None, 0.0) * scale + shift)
