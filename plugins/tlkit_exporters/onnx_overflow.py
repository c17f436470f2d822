"""Weights of 8 bits whose products don't overflow on processors without VNNI.

There OpenVINO adds the products of two neighbouring input channels, each of an unsigned and a signed byte, in 16 bits,
and a sum beyond them becomes the largest number that fits:
https://docs.openvino.ai/latest/pot_saturation_issue.html. Seven bits for all weights, as that page says, lose more than
is needed: here each output channel has the smallest scale with which no such sum can be too large.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_LARGEST = 127
_HALF = 64
_NARROW = 4
"""With so few input channels, kernels arrange them in other orders."""


def safe_ranges(graph: Any) -> dict[str, list[dict[str, Any]]]:
    """Return name of the weights → the range of each output channel, as ONNX Runtime's ``TensorQuantOverrides``.

    A depthwise convolution adds no products of two channels, so its weights have all their bits.

    Args:
        graph: the ``onnx.GraphProto`` in single precision.
    """
    from onnx import numpy_helper

    constants = {each.name: each for each in graph.initializer}
    found = {}
    for node in graph.node:
        grouped = any(each.name == "group" and each.i > 1 for each in node.attribute)
        if node.op_type not in ("Conv", "ConvTranspose", "MatMul") or node.input[1] not in constants or grouped:
            continue
        weights = numpy_helper.to_array(constants[node.input[1]])
        if weights.ndim < 2:
            continue
        axis = 0 if node.op_type == "Conv" else weights.ndim - 1 if node.op_type == "MatMul" else 1
        limits = _limits(weights, axis, 1 if node.op_type == "Conv" else axis - 1)
        found[node.input[1]] = [{"axis": axis, "rmin": -each, "rmax": each} for each in limits]
    return found


def _limits(weights: np.ndarray, results: int, given: int) -> np.ndarray:
    """Return the number that becomes 127 in each output channel.

    Args:
        weights: the weights of a layer.
        results: the axis of the output channels.
        given: the axis of the input channels.
    """
    ordered = np.moveaxis(weights, (results, given), (0, -1)).reshape(weights.shape[results], -1, weights.shape[given])
    largest = np.abs(ordered).max(axis=(1, 2))
    if ordered.shape[-1] <= _NARROW:
        return np.asarray(np.maximum(largest * np.float32(_LARGEST / _HALF), np.float32(1e-8)))
    odd = np.zeros((*ordered.shape[:2], ordered.shape[2] % 2), ordered.dtype)
    pairs = np.concatenate([ordered, odd], axis=-1).reshape(*ordered.shape[:2], -1, 2)
    sums = [np.maximum(each, 0).sum(axis=-1).max(axis=(1, 2)) for each in (pairs, -pairs)]
    return np.asarray(np.maximum.reduce([largest, *sums, np.full_like(largest, 1e-8)]))
