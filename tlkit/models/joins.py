"""Convolutions over a join of a frozen and a trained feature map, without the gradient of what is frozen.

A convolution of two joined feature maps is the sum of the convolutions of each with its own part of the kernel. As one
convolution its backward pass has the gradient of every joined channel, also of those from the frozen part, which nobody
asks for: in a U-Net on ResNet50 those are up to four fifths of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tlkit.models.graph import calls, flat, inputs_of, operations


class ConvolutionByParts(keras.layers.Layer):  # type: ignore[misc]
    """What a convolution makes of two feature maps that are joined, with that layer's own weights.

    Args:
        convolution: a ``Conv2D`` that is built, channels last, without groups.
        first: channels of the first feature map.
    """

    def __init__(self, convolution: Any, first: int) -> None:
        super().__init__(name=convolution.name, dtype=convolution.dtype_policy)
        self.convolution = convolution
        self._first = first
        self.built = True

    def call(self, feature_maps: Sequence[Any]) -> Any:
        """float (N, h, w, filters) of two (N, H, W, channels)."""
        layer, (one, other) = self.convolution, feature_maps
        kernels = keras.ops.split(layer.kernel, [self._first], axis=2)
        outputs = layer.convolution_op(one, kernels[0]) + layer.convolution_op(other, kernels[1])
        return layer.activation(outputs + layer.bias if layer.use_bias else outputs)

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """(N, h, w, filters)."""
        one, other = input_shape
        return tuple(self.convolution.compute_output_shape((*one[:-1], one[-1] + other[-1])))  # type: ignore[operator]


def split_joins(live_part: Any) -> Any:
    """A phase's live part with each convolution over a frozen and a trained feature map computed by parts.

    Args:
        live_part: a flat functional model whose inputs are what the frozen part puts out.

    Returns:
        a functional model of the same inputs and outputs and of the same layers, but for those convolutions, whose
        weights it uses; logits agree to about 1e-6 relative in float32. Without any, the live part itself.
    """
    joins = _joins(live_part)
    if not joins:
        return live_part
    joined: dict[str, Any] = {}

    def by_parts(layer: Any) -> Any:
        join = joins.get(layer.name)
        return layer if join is None else ConvolutionByParts(layer, int(inputs_of(join)[0].shape[-1]))

    def call(layer: Any, inputs: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(layer, keras.layers.Concatenate):
            joined[layer.name] = inputs
        if isinstance(layer, ConvolutionByParts):
            return layer(joined[joins[layer.name].name])
        return layer(inputs, *arguments, **options)

    return keras.models.clone_model(live_part, clone_function=by_parts, call_function=call)


def _joins(live_part: Any) -> dict[str, Any]:
    """The name of each convolution that can be computed by parts → the ``Concatenate`` before it."""
    frozen = {id(tensor) for tensor in flat(live_part.inputs)}
    takers: dict[int, list[Any]] = {id(tensor): [live_part] for tensor in flat(live_part.outputs)}
    for operation in operations(live_part):
        for tensor in inputs_of(operation):
            takers.setdefault(id(tensor), []).append(operation)
    found: dict[str, Any] = {}
    for join in operations(live_part):
        if type(join) is not keras.layers.Concatenate:
            continue
        inputs = inputs_of(join)
        behind = takers.get(id(join.output), [])
        if (
            len(inputs) == 2
            and sum(id(tensor) in frozen for tensor in inputs) == 1
            and join.axis in (-1, len(join.output.shape) - 1)
            and all(_takes_parts(each) for each in behind)
        ):
            found |= {each.name: join for each in behind}
    called = calls(live_part) if found else {}
    return {name: join for name, join in found.items() if called[name] == called[join.name] == 1}


def _takes_parts(operation: Any) -> bool:
    return (
        type(operation) is keras.layers.Conv2D
        and operation.groups == 1
        and operation.data_format == "channels_last"
        and operation.activity_regularizer is None
        and not operation.lora_enabled
    )
