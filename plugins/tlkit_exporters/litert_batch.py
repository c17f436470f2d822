"""Change a LiteRT file for one image of float32 into one for any number, and of uint8. Imports no TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tlkit_exporters.litert_file import new_operator, new_tensor

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
    taken = new_tensor(model, "images", shape=tuple(graph.tensors[images].shape), kind=schema.TensorType.UINT8)
    options = schema.CastOptionsT()
    options.inDataType, options.outDataType = schema.TensorType.UINT8, schema.TensorType.FLOAT32
    graph.operators.insert(0, new_operator(model, "CAST", [taken], images, options))
    graph.inputs = np.array([taken], np.int32)
    for signature in model.signatureDefs:
        for each in signature.inputs:
            each.tensorIndex = taken


def _reshape(model: Any, operator: Any) -> None:
    """Let the first size of the new shape follow from the others."""
    tensors = model.subgraphs[0].tensors
    shape = np.array([-1, *tensors[operator.outputs[0]].shape[1:]], np.int32)
    operator.inputs = np.array([operator.inputs[0], new_tensor(model, "new_shape", shape)], np.int32)
    if operator.builtinOptions is not None:
        operator.builtinOptions.newShape = shape


def _count_images(model: Any, operator: Any) -> list[Any]:
    """Return operations that compute the output shape of a transposed convolution, as the converter writes them."""
    graph = model.subgraphs[0]
    images = int(operator.inputs[2])
    sizes = [int(size) for size in graph.tensors[operator.outputs[0]].shape[1:]]
    shape = new_tensor(model, "shape_of_images", shape=(len(graph.tensors[images].shape),))
    count = new_tensor(model, "number_of_images")
    output = new_tensor(model, "output_shape", shape=(4,))
    places = [new_tensor(model, f"place_{at}", np.array([at], np.int32)) for at in (0, 1)]
    constants = [new_tensor(model, f"size_{size}", np.array(size, np.int32)) for size in sizes]
    operator.inputs = np.array([output, *operator.inputs[1:]], np.int32)
    slicing, packing, shaping = schema.StridedSliceOptionsT(), schema.PackOptionsT(), schema.ShapeOptionsT()
    slicing.shrinkAxisMask, packing.valuesCount = 1, 4
    shaping.outType = schema.TensorType.INT32
    return [
        new_operator(model, "SHAPE", [images], shape, shaping),
        new_operator(model, "STRIDED_SLICE", [shape, places[0], places[1], places[1]], count, slicing),
        new_operator(model, "PACK", [count, *constants], output, packing),
    ]
