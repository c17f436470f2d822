"""Folding BatchNormalization into the layer before it, for inference: the same function in fewer operations.

In inference BatchNormalization scales and shifts each channel, which the convolution or dense layer before it can do
with its own weights (Jacob et al. 2018, https://arxiv.org/abs/1712.05877, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tlkit.models.graph import calls, flat, inputs_of, operations
from tlkit.models.walk import walk

_KERNELS = {
    keras.layers.Conv2D: "kernel",
    keras.layers.DepthwiseConv2D: "kernel",
    keras.layers.SeparableConv2D: "pointwise_kernel",
    keras.layers.Dense: "kernel",
}
"""Layers that can absorb a scale and a shift → the weight whose last axes are the output channels."""


class FoldedModel:
    """A model for inference, with each BatchNormalization folded into the layer before it where that is possible.

    The layers of the model itself compute, with other values of their weights. Outputs agree with the model's to about
    1e-6 relative in float32.

    Args:
        model: a flat functional model; it is not changed, and later changes of its weights don't count.

    Attributes:
        folded: the names of the folded BatchNormalization layers.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        pairs = _pairs(model)
        self.folded = frozenset(norm.name for norm in pairs.values())
        # A read shares the variable's memory until the variable is assigned another value.
        values = {id(variable): (variable, variable.value.read_value()) for variable in model.variables}
        self._shifts: dict[str, Any] = {}
        for layer, norm in ((model.get_layer(name), norm) for name, norm in pairs.items()):
            kernel = getattr(layer, _KERNELS[type(layer)])
            scaled, shift = _folded(layer, kernel, norm)
            values[id(kernel)] = (kernel, keras.ops.convert_to_tensor(scaled))
            if layer.use_bias:
                values[id(layer.bias)] = (layer.bias, keras.ops.convert_to_tensor(shift))
            else:
                self._shifts[layer.name] = keras.ops.convert_to_tensor(shift)
        self._values = list(values.values())

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the outputs, in the order of the model's; may be called inside a ``tf.function``."""
        with keras.StatelessScope(state_mapping=self._values):
            return walk(self._model, inputs, self._compute)

    def _compute(self, operation: Any, *arguments: Any, **options: Any) -> Any:
        if operation.name in self.folded:
            return flat([arguments, options])[0]
        outputs = operation(*arguments, **options)
        shift = self._shifts.get(operation.name)
        return outputs if shift is None else keras.ops.add(outputs, keras.ops.cast(shift, outputs.dtype))


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


def _folded(layer: Any, kernel: Any, norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel and the bias with which a layer computes what it and the BatchNormalization did."""

    def values(variable: Any, otherwise: float) -> Any:
        return otherwise if variable is None else keras.ops.convert_to_numpy(variable).astype(np.float64)

    deviation = np.sqrt(values(norm.moving_variance, 1.0) + norm.epsilon)
    scale = values(norm.gamma, 1.0) / deviation
    shift = values(norm.beta, 0.0) - values(norm.moving_mean, 0.0) * scale
    # A depthwise kernel has its output channels in two axes.
    axes = kernel.shape[2:] if isinstance(layer, keras.layers.DepthwiseConv2D) else kernel.shape[-1:]
    scaled = values(kernel, 0.0) * scale.reshape(axes)
    shift += values(layer.bias if layer.use_bias else None, 0.0) * scale
    return scaled.astype(kernel.dtype), shift.astype(kernel.dtype)
