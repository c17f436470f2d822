"""LiteRT files as objects of their schema: reading, writing, and the texts inside them. Imports no TensorFlow.

The schema: https://github.com/google-ai-edge/LiteRT/blob/main/tflite/schema/schema.fbs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tlkit_exporters import texts

ENTRY = "tlkit"
"""The entry of the model's metadata that holds the texts, as a JSON object in UTF-8."""
_ALIGNMENT = 16
"""Of constants, in bytes, as the schema says."""
_KINDS = schema.BuiltinOperator


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A constant that is written where the schema wants it: the generated class ignores ``force_align``."""

    def Pack(self, builder: Any) -> Any:  # noqa: N802
        if self.data is None:
            return super().Pack(builder)
        content = np.ascontiguousarray(self.data).tobytes()
        builder.StartVector(1, len(content), _ALIGNMENT)
        builder.head -= len(content)
        builder.Bytes[builder.head : builder.head + len(content)] = content
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def parsed(content: bytes) -> Any:
    """Return a file as an object of the schema, ``ModelT``."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def packed(model: Any) -> bytes:
    """Return a ``ModelT`` as a file."""
    for buffer in model.buffers:
        buffer.__class__ = _Buffer
    size = sum(len(each.data) for each in model.buffers if each.data is not None)
    builder = flatbuffers.Builder(size + 2**20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def constant(model: Any, values: np.ndarray) -> int:
    """Add a constant and return the number of its buffer."""
    buffer = _Buffer()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def with_texts(model: Any, given: Mapping[str, str]) -> None:
    """Add texts to a ``ModelT``."""
    entry = schema.MetadataT()
    entry.name = ENTRY
    entry.buffer = constant(model, np.frombuffer(texts.written(given), np.uint8))
    model.metadata = [*(model.metadata or []), entry]


def new_operator(model: Any, kind: str, inputs: list[int], output: int, options: Any) -> Any:
    """Return an operation that is not yet in the model."""
    operator = schema.OperatorT()
    operator.opcodeIndex = code_of(model, getattr(_KINDS, kind))
    operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    operator.builtinOptions = options
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    return operator


def code_of(model: Any, kind: int, version: int = 1) -> int:
    """Return the place of a kind of operation in the model's list; add it if need be."""
    for place, code in enumerate(model.operatorCodes):
        if code.builtinCode == kind and code.version == version:
            return place
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = kind, version
    code.deprecatedBuiltinCode = min(kind, _KINDS.PLACEHOLDER_FOR_GREATER_OP_CODES)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def new_tensor(
    model: Any,
    name: str,
    values: np.ndarray | None = None,
    shape: tuple[int, ...] = (),
    kind: int = schema.TensorType.INT32,
) -> int:
    """Add a tensor, a constant if it has values, and return its number."""
    tensors = model.subgraphs[0].tensors
    tensor = schema.TensorT()
    tensor.name = f"tlkit/{name}_{len(tensors)}"
    tensor.type = kind
    tensor.shape = np.array(values.shape if values is not None else shape, np.int32)
    tensor.hasRank = True
    tensor.buffer = 0 if values is None else constant(model, values)
    tensors.append(tensor)
    return len(tensors) - 1


def with_used_tensors(model: Any) -> None:
    """Remove the tensors and the constants of a ``ModelT`` that nothing uses."""
    graph = model.subgraphs[0]
    lists = [graph.inputs, graph.outputs, *(each for one in graph.operators for each in (one.inputs, one.outputs))]
    used = sorted({int(number) for each in lists for number in each} - {-1})
    new = {-1: -1, **{number: place for place, number in enumerate(used)}}
    graph.tensors = [graph.tensors[number] for number in used]
    for holder, names in [(graph, ("inputs", "outputs")), *((each, ("inputs", "outputs")) for each in graph.operators)]:
        for name in names:
            setattr(holder, name, np.array([new[int(number)] for number in getattr(holder, name)], np.int32))
    for signature in model.signatureDefs:
        for each in (*signature.inputs, *signature.outputs):
            each.tensorIndex = new[int(each.tensorIndex)]
    holders = [*graph.tensors, *(model.metadata or [])]
    kept = {number: place for place, number in enumerate(sorted({0, *(int(each.buffer) for each in holders)}))}
    model.buffers = [model.buffers[number] for number in kept]
    for each in holders:
        each.buffer = kept[int(each.buffer)]
