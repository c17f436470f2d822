"""Change a LiteRT file for one image of float32 into one for any number, and of uint8. Imports no TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tlkit_exporters.litert_file import constant

_KINDS = schema.BuiltinOperator


def with_any_batch(model: Any) -> None:
    """Change a ``ModelT`` for one image into one for any number.

    The shapes that it states remain those for one image, as in every LiteRT file; ``shape_signature`` says which sizes
    may change. The runtime computes all shapes anew when the number changes. What keeps it from this is changed here:
    constants in which the number stands.
    """
    graph = model.subgraphs[0]
    free = set(map(int, graph.inputs))
    operators = []
    for operator in graph.operators:
        if free.isdisjoint(map(int, operator.inputs)):
            operators.append(operator)
            continue
        free.update(map(int, operator.outputs))
        kind = model.operatorCodes[operator.opcodeIndex].builtinCode
        if kind == _KINDS.RESHAPE:
            _reshape(model, operator)
        elif kind == _KINDS.STRIDED_SLICE:
            operator.builtinOptions.beginMask |= 1
            operator.builtinOptions.endMask |= 1
        elif kind == _KINDS.TRANSPOSE_CONV:
            operators += _count_images(model, operator)
        operators.append(operator)
    graph.operators = operators
    for number in free:
        tensor = graph.tensors[number]
        if len(tensor.shape):
            tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)


def with_bytes_in(model: Any) -> None:
    """Change a ``ModelT`` that takes images as float32 into one that takes them as uint8."""
    graph = model.subgraphs[0]
    [images] = map(int, graph.inputs)
    taken = _tensor(model, "images", shape=tuple(graph.tensors[images].shape), type_=schema.TensorType.UINT8)
    options = schema.CastOptionsT()
    options.inDataType, options.outDataType = schema.TensorType.UINT8, schema.TensorType.FLOAT32
    graph.operators.insert(0, _operator(model, "CAST", [taken], images, options))
    graph.inputs = np.array([taken], np.int32)
    for signature in model.signatureDefs:
        for each in signature.inputs:
            each.tensorIndex = taken


def _reshape(model: Any, operator: Any) -> None:
    """Let the first size of the new shape follow from the others."""
    tensors = model.subgraphs[0].tensors
    shape = np.array([-1, *tensors[operator.outputs[0]].shape[1:]], np.int32)
    operator.inputs = np.array([operator.inputs[0], _tensor(model, "new_shape", shape)], np.int32)
    if operator.builtinOptions is not None:
        operator.builtinOptions.newShape = shape


def _count_images(model: Any, operator: Any) -> list[Any]:
    """Return operations that compute the output shape of a transposed convolution, as the converter writes them."""
    graph = model.subgraphs[0]
    images = int(operator.inputs[2])
    sizes = [int(size) for size in graph.tensors[operator.outputs[0]].shape[1:]]
    shape = _tensor(model, "shape_of_images", shape=(len(graph.tensors[images].shape),))
    count = _tensor(model, "number_of_images")
    output = _tensor(model, "output_shape", shape=(4,))
    places = [_tensor(model, f"place_{at}", np.array([at], np.int32)) for at in (0, 1)]
    constants = [_tensor(model, f"size_{size}", np.array(size, np.int32)) for size in sizes]
    operator.inputs = np.array([output, *operator.inputs[1:]], np.int32)
    slicing, packing, shaping = schema.StridedSliceOptionsT(), schema.PackOptionsT(), schema.ShapeOptionsT()
    slicing.shrinkAxisMask, packing.valuesCount = 1, 4
    shaping.outType = schema.TensorType.INT32
    return [
        _operator(model, "SHAPE", [images], shape, shaping),
        _operator(model, "STRIDED_SLICE", [shape, places[0], places[1], places[1]], count, slicing),
        _operator(model, "PACK", [count, *constants], output, packing),
    ]


def _operator(model: Any, kind: str, inputs: list[int], output: int, options: Any) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex = _code(model, getattr(_KINDS, kind))
    operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    operator.builtinOptions = options
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    return operator


def _code(model: Any, kind: int) -> int:
    """Return the place of a kind of operation, version 1, in the model's list; add it if need be."""
    for place, code in enumerate(model.operatorCodes):
        if code.builtinCode == kind and code.version == 1:
            return place
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = kind, 1
    code.deprecatedBuiltinCode = min(kind, _KINDS.PLACEHOLDER_FOR_GREATER_OP_CODES)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _tensor(
    model: Any,
    name: str,
    values: np.ndarray | None = None,
    shape: tuple[int, ...] = (),
    type_: int = schema.TensorType.INT32,
) -> int:
    """Add a tensor, a constant if it has values, and return its number."""
    tensors = model.subgraphs[0].tensors
    tensor = schema.TensorT()
    tensor.name = f"tlkit/{name}_{len(tensors)}"
    tensor.type = type_
    tensor.shape = np.array(values.shape if values is not None else shape, np.int32)
    tensor.hasRank = True
    tensor.buffer = 0 if values is None else constant(model, values)
    tensors.append(tensor)
    return len(tensors) - 1
