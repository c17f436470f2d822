"""Quantized networks that normalize what they concatenated, as DenseNet does. Imports no TensorFlow.

All inputs of a quantized concatenation have its scale, and so has what one concatenation hands to the next: one scale
for all feature maps of a dense block. A BatchNormalization after it, which no convolution can take in, makes the small
ones as large as the others, with their rounding errors. So what is between the convolutions is left in float32, and
each convolution gets the scale of its own results. The first convolution, whose errors all layers magnify, is left in
float32 too: with it in 8 bits, 96 % of DenseNet121's answers on 37 breeds were the same, and without 100 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tlkit_exporters.litert_mended import kind_of

IN_FLOAT32 = ("CONCATENATION", "MUL", "ADD", "PAD", "MAX_POOL_2D", "AVERAGE_POOL_2D")
"""What such networks do between their convolutions."""
_KINDS = schema.BuiltinOperator
_INT8 = schema.TensorType.INT8
_CONVOLUTIONS = (_KINDS.CONV_2D, _KINDS.DEPTHWISE_CONV_2D)


def normalizes_concatenated(model: Any) -> bool:
    """Return whether a ``ModelT`` in float32 multiplies the result of a concatenation with constants."""
    operators = model.subgraphs[0].operators
    joined = {int(each.outputs[0]) for each in operators if kind_of(model, each) == _KINDS.CONCATENATION}
    computed = {int(number) for each in operators for number in each.outputs}
    multiplying = [set(map(int, each.inputs)) for each in operators if kind_of(model, each) == _KINDS.MUL]
    return any(given & joined and given - computed for given in multiplying)


def first_convolution(model: Any) -> str:
    """Return the name of what the first convolution of a ``ModelT`` computes."""
    graph = model.subgraphs[0]
    first = next(each for each in graph.operators if kind_of(model, each) in _CONVOLUTIONS)
    return bytes(graph.tensors[first.outputs[0]].name).decode()


def ranges_of(calibrated: Any) -> Mapping[bytes, tuple[float, float]]:
    """Return name → smallest and largest number of each tensor of a calibrated ``ModelT``."""
    found = {}
    for tensor in calibrated.subgraphs[0].tensors:
        quantization = tensor.quantization
        if quantization is not None and quantization.min is not None and len(quantization.min) == 1:
            found[bytes(tensor.name)] = (float(quantization.min[0]), float(quantization.max[0]))
    return found


def with_own_scales(model: Any, ranges: Mapping[bytes, tuple[float, float]]) -> None:
    """Give results of convolutions that become float32 the scales of their own ranges.

    The converter gives them that of the concatenation, though it is in float32.

    Args:
        model: the quantized ``ModelT``; it is changed.
        ranges: what ``ranges_of`` returned.
    """
    graph = model.subgraphs[0]
    readers: dict[int, set[int]] = {}
    for operator in graph.operators:
        for number in operator.inputs:
            readers.setdefault(int(number), set()).add(kind_of(model, operator))
    for operator in graph.operators:
        number = int(operator.outputs[0])
        tensor = graph.tensors[number]
        name = bytes(tensor.name)
        if (
            kind_of(model, operator) in _CONVOLUTIONS
            and tensor.type == _INT8
            and readers.get(number) == {_KINDS.DEQUANTIZE}
            and name in ranges
        ):
            scale, zero = _scale(*ranges[name])
            tensor.quantization.scale = np.array([scale], np.float32)
            tensor.quantization.zeroPoint = np.array([zero], np.int64)


def _scale(low: float, high: float) -> tuple[float, int]:
    """Return the scale and the zero of int8 for a range."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, 1e-6) / 255
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))
