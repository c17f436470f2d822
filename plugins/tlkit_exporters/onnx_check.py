"""Checking an ONNX file from an untrusted source before ONNX Runtime sees it.

The format lets a file name other files, operations of a library, loops, and sizes that take all memory. So what a file
may contain is listed, and the shape of every tensor is inferred for one image, with a limit on all that live at a time.

The format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tlkit
from tlkit_exporters.messages import NotAllowedError, first_line
from tlkit_exporters.onnx_shapes import shapes

_NAMES = """
    Add And AveragePool BatchNormalization Cast Clip Concat Constant Conv ConvTranspose DepthToSpace
    DequantizeLinear Div Elu Equal Erf Exp Expand Flatten Floor Gather Gelu Gemm GlobalAveragePool GlobalMaxPool
    HardSigmoid HardSwish Identity LRN LeakyRelu Log MatMul Max MaxPool Min Mul Neg PRelu Pad Pow QuantizeLinear
    Reciprocal ReduceMax ReduceMean ReduceSum Relu Reshape Resize Selu Shape Sigmoid Slice Softmax Softplus
    SpaceToDepth Split Sqrt Squeeze Sub Tanh Tile Transpose Unsqueeze Where
"""
OPERATIONS = frozenset(_NAMES.split())
"""What may be in a file. None reads files, repeats others, or has a result whose size depends on the image."""
_DOMAINS = ("", "ai.onnx")
_QUANTIZED = ("com.microsoft", frozenset(("DequantizeLinear", "QuantizeLinear")))
"""Before version 21 of the operators, those with 16 bits belong to ONNX Runtime."""
_MAX_FILE = 2**31
_MAX_PARTS = 50_000
_MAX_RANK = 16
"""Limit for the axes of a tensor: the product of millions of numbers takes minutes."""
_MAX_ELEMENTS = 2**28
_MAX_LIVE = 2**28
"""Limit for the numbers of all tensors that an operation reads and writes and those that later ones read; 1 GiB."""
_MAX_TEXT = 16 * 2**20
_PLAIN_ATTRIBUTES = ("FLOAT", "INT", "STRING", "TENSOR", "FLOATS", "INTS", "STRINGS")


def check_onnx(path: Path) -> None:
    """Check that running a file can do no more than compute, within limits of memory.

    Raises:
        DataError: it is damaged, or contains what is not allowed.
    """
    try:
        _check(path)
    except NotAllowedError as error:
        raise tlkit.DataError(
            f"{path}: {error}; expected a file as tlkit export writes it, or --trust if you know who made it"
        ) from error


def _check(path: Path) -> None:
    import onnx
    from google.protobuf.message import DecodeError

    if (size := path.stat().st_size) > _MAX_FILE:
        raise NotAllowedError(f"it has {size:,} bytes; expected at most {_MAX_FILE:,}")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise NotAllowedError("it is damaged, or not an ONNX file") from error
    _check_parts(model)
    for tensor in model.graph.initializer:
        _check_tensor(tensor)
    for node in model.graph.node:
        _check_node(node)
    try:
        onnx.checker.check_model(model)
        found = shapes(model, batch=1)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise NotAllowedError(f"it is not valid: {first_line(error)}") from error
    _check_memory(model.graph, found)


def _check_parts(model: Any) -> None:
    graph = model.graph
    if model.functions or model.training_info or graph.sparse_initializer:
        raise NotAllowedError("it has functions, training or sparse constants")
    counts = {
        "operations": len(graph.node),
        "constants": len(graph.initializer),
        "shapes": len(graph.value_info),
        "texts": len(model.metadata_props),
    }
    for name, count in counts.items():
        if count > _MAX_PARTS:
            raise NotAllowedError(f"it has {count:,} {name}; expected at most {_MAX_PARTS:,}")
    text = sum(len(each.key) + len(each.value) for each in model.metadata_props)
    if text > _MAX_TEXT:
        raise NotAllowedError(f"its texts have {text:,} characters; expected at most {_MAX_TEXT:,}")
    if len(graph.input) != 1 or len(graph.input[0].type.tensor_type.shape.dim) != 4:
        raise NotAllowedError("it has other inputs than one of images, (N, H, W, 3)")


def _check_node(node: Any) -> None:
    import onnx

    allowed = node.domain in _DOMAINS and node.op_type in OPERATIONS
    if not allowed and (node.domain != _QUANTIZED[0] or node.op_type not in _QUANTIZED[1]):
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise NotAllowedError(f"the operation {name!r:.80} is not one that is allowed")
    for attribute in node.attribute:
        kind = onnx.AttributeProto.AttributeType.Name(attribute.type)
        if kind not in _PLAIN_ATTRIBUTES or attribute.ref_attr_name:
            raise NotAllowedError(f"{node.op_type} has an attribute of the kind {kind}")
        if kind == "TENSOR":
            _check_tensor(attribute.t)


def _check_tensor(tensor: Any) -> None:
    import onnx

    if tensor.data_location != onnx.TensorProto.DEFAULT or tensor.external_data:
        raise NotAllowedError("it has constants in other files")
    if tensor.data_type == onnx.TensorProto.STRING or tensor.HasField("segment"):
        raise NotAllowedError("it has constants that are texts or in parts")
    wrong = len(tensor.dims) > _MAX_RANK or any(size < 0 for size in tensor.dims)
    if wrong or math.prod(tensor.dims) > _MAX_ELEMENTS:
        raise NotAllowedError(f"a constant has the shape {list(tensor.dims[:20])!s:.80}")


def _check_memory(graph: Any, found: Mapping[str, list[int]]) -> None:
    constants = {each.name for each in graph.initializer}
    last = {name: place for place, node in enumerate(graph.node) for name in node.input}
    last.update((value.name, len(graph.node)) for value in graph.output)
    live = {value.name: _elements(value.name, found) for value in graph.input}
    for place, node in enumerate(graph.node):
        live.update((name, _elements(name, found)) for name in _named(node.output))
        if sum(live.values()) > _MAX_LIVE:
            raise NotAllowedError(
                f"it keeps {sum(live.values()):,} numbers at a time for one image; expected at most {_MAX_LIVE:,}"
            )
        for name in _named((*node.input, *node.output)):
            if name not in constants and last.get(name, 0) <= place:
                live.pop(name, None)


def _named(names: Iterable[str]) -> list[str]:
    return [name for name in names if name]


def _elements(name: str, found: Mapping[str, list[int]]) -> int:
    shape = found.get(name)
    if shape is None or any(size <= 0 for size in shape):
        raise NotAllowedError(f"the size of the tensor {name!r:.80} depends on the image, or can't be told")
    if len(shape) > _MAX_RANK:
        raise NotAllowedError(f"the tensor {name!r:.80} has {len(shape)} axes; expected at most {_MAX_RANK}")
    return math.prod(shape)
