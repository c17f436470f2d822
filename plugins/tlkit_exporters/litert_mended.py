"""Mend what LiteRT's converter loses in quantized files. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tlkit_exporters.litert_file import code_of, constant, new_operator, new_tensor, with_used_tensors

_KINDS = schema.BuiltinOperator
_TYPES = schema.TensorType
_FEATURES = {
    _KINDS.CONV_2D: 0,
    _KINDS.DEPTHWISE_CONV_2D: 0,
    _KINDS.FULLY_CONNECTED: 0,
    _KINDS.BATCH_MATMUL: 0,
    _KINDS.TRANSPOSE_CONV: 2,
}
"""Operation with weights → the place of its feature map."""
_POOLING = (_KINDS.MEAN, _KINDS.RESHAPE)
"""Operations between the last feature map and a layer of weights, whose results are few numbers."""


def with_copied_scales(model: Any) -> None:
    """Give the result of a reversal the scale of what it reverses, in a quantized ``ModelT``.

    The converter gives it another scale where a constant is added to it, as in the preprocessing of VGG and ResNet, but
    the runtime copies the numbers as they are: ``findings/litert_int8_reversed.sh``.
    """
    tensors = model.subgraphs[0].tensors
    for operator in model.subgraphs[0].operators:
        if kind_of(model, operator) == _KINDS.REVERSE_V2:
            tensors[operator.outputs[0]].quantization = tensors[operator.inputs[0]].quantization


def with_float_end(model: Any, twin: Any) -> None:
    """Compute logits and probabilities from the last feature map in float32.

    With 256 values for all logits, the two largest are often equal; and where images differ little in their features,
    a kernel in 8 bits takes them for the same. A network that has no such end, as the mean of several, stays as it is.

    Args:
        model: the quantized ``ModelT``; it is changed.
        twin: the same model in float32.
    """
    start, exact = _first_of_end(model), _first_of_end(twin)
    dropped = None if start is None else _depending(model, start)
    end = None if exact is None else _depending(twin, exact)
    if not dropped or not end or not {*_outputs(twin).values()} <= {int(each) for one in end for each in one.outputs}:
        return
    graph = model.subgraphs[0]
    features = int(start.inputs[_place(model, start)])
    left = {id(each) for each in dropped}
    graph.operators = [each for each in graph.operators if id(each) not in left]
    copies = {-1: -1, int(exact.inputs[_place(twin, exact)]): _in_float32(model, features)}
    graph.operators += [_copied(model, twin, each, copies) for each in end]
    new = {number: copies[_outputs(twin)[name]] for name, number in _outputs(model).items()}
    graph.outputs = np.array([new[int(each)] for each in graph.outputs], np.int32)
    for each in model.signatureDefs[0].outputs:
        each.tensorIndex = new[int(each.tensorIndex)]
    with_used_tensors(model)


def kind_of(model: Any, operator: Any) -> int:
    """Return the kind of an operation."""
    return int(model.operatorCodes[operator.opcodeIndex].builtinCode)


def makers_of(model: Any) -> dict[int, Any]:
    """Return the number of each computed tensor → the operation that computes it."""
    return {int(each): operator for operator in model.subgraphs[0].operators for each in operator.outputs}


def _place(model: Any, operator: Any) -> int:
    """Return the place of the feature map among what an operation takes."""
    return _FEATURES.get(kind_of(model, operator), 0)


def _outputs(model: Any) -> dict[str, int]:
    """Return name → number of the tensor of each output."""
    return {bytes(each.name).decode(): int(each.tensorIndex) for each in model.signatureDefs[0].outputs}


def _first_of_end(model: Any) -> Any:
    """Return the last operation with weights before the logits, or the pooling before it; None if there is none."""
    makers = makers_of(model)
    found = makers.get(_outputs(model)["logits"])
    while found is not None and kind_of(model, found) not in _FEATURES:
        found = _first(makers, found.inputs)
    if found is None:
        return None
    before = makers.get(int(found.inputs[_place(model, found)]))
    return before if before is not None and kind_of(model, before) in _POOLING else found


def _first(makers: dict[int, Any], tensors: Iterable[Any]) -> Any:
    return next((makers[int(each)] for each in tensors if int(each) in makers), None)


def _depending(model: Any, start: Any) -> list[Any]:
    """Return an operation and all that depend on it, in order; none if they also depend on others."""
    makers = makers_of(model)
    known: set[int] = {int(start.inputs[_place(model, start)])}
    found: list[Any] = []
    for operator in model.subgraphs[0].operators:
        given = {int(each) for each in operator.inputs if int(each) in makers}
        after = {int(each) for one in found for each in one.outputs}
        if operator is start or given & after:
            if not given <= known:
                return []
            known.update(map(int, operator.outputs))
            found.append(operator)
    return found


def _in_float32(model: Any, number: int) -> int:
    """Return a tensor with the numbers of another in float32."""
    tensor, maker = model.subgraphs[0].tensors[number], makers_of(model).get(number)
    if tensor.type == _TYPES.FLOAT32:
        return number
    if maker is not None and kind_of(model, maker) == _KINDS.QUANTIZE:
        return _in_float32(model, int(maker.inputs[0]))
    result = new_tensor(model, "features", shape=tuple(tensor.shape), kind=_TYPES.FLOAT32)
    model.subgraphs[0].operators.append(
        new_operator(model, "DEQUANTIZE", [number], result, schema.DequantizeOptionsT())
    )
    return result


def _copied(model: Any, twin: Any, operator: Any, copies: dict[int, int]) -> Any:
    """Return an operation of the twin for the model; ``copies`` has the tensors, and gets those that are added."""
    code = twin.operatorCodes[operator.opcodeIndex]
    for number in (*map(int, operator.inputs), *map(int, operator.outputs)):
        if number not in copies:
            tensor = copy(twin.subgraphs[0].tensors[number])
            data = twin.buffers[tensor.buffer].data
            tensor.buffer = 0 if data is None or not len(data) else constant(model, np.asarray(data))
            model.subgraphs[0].tensors.append(tensor)
            copies[number] = len(model.subgraphs[0].tensors) - 1
    result = copy(operator)
    result.opcodeIndex = code_of(model, code.builtinCode, code.version)
    result.inputs = np.array([copies[int(each)] for each in operator.inputs], np.int32)
    result.outputs = np.array([copies[int(each)] for each in operator.outputs], np.int32)
    return result
