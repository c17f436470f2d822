"""Convolutions over a concatenation of a frozen and a trained feature map, without the frozen one's gradient.

A convolution of two concatenated feature maps is the sum of the convolutions of each with its own part of the kernel.
As one convolution its backward pass computes the gradient of every channel, including those from the frozen part, which
is never used: in a U-Net on ResNet50 that is up to four fifths of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tlkit.models.graph import calls, flat, inputs_of, operations


class ConvolutionByParts(keras.layers.Layer):  # type: ignore[misc]
    """Applies a convolution to two feature maps as if they were concatenated, with that layer's own weights.

    Args:
        convolution: a built ``Conv2D``, channels last, without groups.
        first: the number of channels of the first feature map.
    """

    def __init__(self, convolution: Any, first: int) -> None:
        super().__init__(name=convolution.name, dtype=convolution.dtype_policy)
        self.convolution = convolution
        self._first = first
        self.built = True

    def call(self, feature_maps: Sequence[Any]) -> Any:
        """Convolve two feature maps (N, H, W, channels); returns float (N, h, w, filters)."""
        layer, (one, other) = self.convolution, feature_maps
        kernels = keras.ops.split(layer.kernel, [self._first], axis=2)
        outputs = layer.convolution_op(one, kernels[0]) + layer.convolution_op(other, kernels[1])
        return layer.activation(outputs + layer.bias if layer.use_bias else outputs)

    def compute_output_shape(self, input_shape: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return (N, h, w, filters)."""
        one, other = input_shape
        return tuple(self.convolution.compute_output_shape((*one[:-1], one[-1] + other[-1])))  # type: ignore[operator]


def split_joins(live_part: Any) -> Any:
    """Compute each convolution over a frozen and a trained feature map by parts.

    Args:
        live_part: a phase's live part: a flat functional model whose inputs are the outputs of the frozen part.

    Returns:
        a functional model with the same inputs, outputs and layers, except for those convolutions, whose weights it
        uses; logits agree to about 1e-6 relative in float32. The live part itself if it has no such convolution.
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
    """Return name of a convolution that can be computed by parts → the ``Concatenate`` before it."""
    frozen = {id(tensor) for tensor in flat(live_part.inputs)}
    consumers: dict[int, list[Any]] = {id(tensor): [live_part] for tensor in flat(live_part.outputs)}
    for operation in operations(live_part):
        for tensor in inputs_of(operation):
            consumers.setdefault(id(tensor), []).append(operation)
    joins: dict[str, Any] = {}
    for join in operations(live_part):
        if type(join) is not keras.layers.Concatenate:
            continue
        inputs = inputs_of(join)
        readers = consumers.get(id(join.output), [])
        if (
            len(inputs) == 2
            and sum(id(tensor) in frozen for tensor in inputs) == 1
            and join.axis in (-1, len(join.output.shape) - 1)
            and all(_splits(each) for each in readers)
        ):
            joins |= {each.name: join for each in readers}
    called = calls(live_part) if joins else {}
    return {name: join for name, join in joins.items() if called[name] == called[join.name] == 1}


def _splits(operation: Any) -> bool:
    """Return whether an operation can be computed by parts."""
    return (
        type(operation) is keras.layers.Conv2D
        and operation.groups == 1
        and operation.data_format == "channels_last"
        and operation.activity_regularizer is None
        and not operation.lora_enabled
    )
