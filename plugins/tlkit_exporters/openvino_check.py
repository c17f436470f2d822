"""Checking OpenVINO's files from an untrusted source before OpenVINO sees them.

The graph is XML, which names operations, also of extensions, and places in the file of weights. What it may contain is
listed. What it says of shapes is ignored: OpenVINO infers them, and may compute the values of some for that. So those
values stay small, and then the shape of every tensor is inferred for one image, with a limit on all together.

The format: https://docs.openvino.ai/2026/documentation/openvino-ir-format.html.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import tlkit
from tlkit_exporters.messages import NotAllowedError, first_line, last_line
from tlkit_exporters.openvino_shapes import ShapeValues, sizes_of

_NAMES = """
    Add AvgPool BatchNormInference BatchToSpace Broadcast Clamp Concat Const Convert Convolution
    ConvolutionBackpropData DepthToSpace Divide Elu Erf Exp FakeQuantize Floor Gather Gelu GroupConvolution
    GroupConvolutionBackpropData HSigmoid HSwish HardSigmoid Interpolate LRN Log MVN MatMul MaxPool Maximum Minimum
    Multiply Negative PReLU Pad Parameter Power ReLU ReduceMax ReduceMean ReduceSum Reshape Result Selu ShapeOf
    Sigmoid Slice SoftMax SoftPlus Softmax SpaceToBatch SpaceToDepth Split Sqrt SquaredDifference Squeeze
    StridedSlice Subtract Swish Tanh Tile Transpose Unsqueeze VariadicSplit
"""
OPERATIONS = frozenset(_NAMES.split())
"""What may be in a file. None reads files, repeats others, or has a result whose size depends on the image."""
_PARTS = frozenset(("data", "input", "output", "rt_info"))
"""What a layer may have; others have a graph of their own."""
_TEXTS = frozenset(("Runtime_version", "conversion_parameters", "framework", "info", "tlkit"))
_BITS = {"boolean": 8, "f16": 16, "f32": 32, "i8": 8, "u8": 8, "i16": 16, "u16": 16, "i32": 32, "i64": 64}
_MAX_XML = 16 * 2**20
_MAX_BIN = 2**32
_MAX_LAYERS = 50_000
_MAX_ELEMENTS = 2**28
_MAX_LIVE = 2**28


def check_openvino(path: Path) -> None:
    """Check that running a file can do no more than compute, within limits of memory.

    Raises:
        DataError: it is damaged, or contains what is not allowed.
    """
    try:
        _check_graph(path)
        _check_shapes(path)
    except NotAllowedError as error:
        raise tlkit.DataError(
            f"{path}: {error}; expected files as tlkit export writes them, or --trust if you know who made them"
        ) from error


def _check_graph(path: Path) -> None:
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise NotAllowedError(f"{weights.name}, its file of weights, is not beside it")
    for file, limit in ((path, _MAX_XML), (weights, _MAX_BIN)):
        if (size := file.stat().st_size) > limit:
            raise NotAllowedError(f"{file.name} has {size:,} bytes; expected at most {limit:,}")
    net = _parsed(path)
    layers = net.findall("layers/layer")
    known = {"layers", "edges", "rt_info"}
    if net.tag != "net" or net.get("version") != "11" or {part.tag for part in net} - known:
        raise NotAllowedError("it is not a graph of OpenVINO's version 11")
    if len(layers) > _MAX_LAYERS:
        raise NotAllowedError(f"it has {len(layers):,} operations; expected at most {_MAX_LAYERS:,}")
    for info in net.findall("rt_info/*"):
        if info.tag not in _TEXTS:
            raise NotAllowedError(f"it has the setting {info.tag!r:.80}, which is not one that is allowed")
    for layer in layers:
        _check_layer(layer, weights.stat().st_size)
    ShapeValues(layers, net.findall("edges/edge")).check()


def _parsed(path: Path) -> Any:
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        return fromstring(path.read_bytes(), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise NotAllowedError(f"it is damaged, or not a graph of OpenVINO: {first_line(error)}") from error


def _check_layer(layer: Any, size: int) -> None:
    kind, version = layer.get("type", ""), layer.get("version", "")
    if kind not in OPERATIONS or not re.fullmatch(r"opset[0-9]{1,2}", version):
        raise NotAllowedError(f"the operation {f'{version}.{kind}'!r:.80} is not one that is allowed")
    if other := {part.tag for part in layer} - _PARTS:
        raise NotAllowedError(f"{kind} has a part {min(other)!r:.80}")
    ports = [port.get("id") for port in layer.findall("input/port")]
    if ports != [str(number) for number in range(len(ports))]:
        raise NotAllowedError(f"the inputs of {kind} are not numbered from 0")
    if kind == "Const":
        _check_constant(layer.find("data"), size)


def _check_constant(data: Any, size: int) -> None:
    try:
        shape = sizes_of(data)
        offset, length, bits = int(data.get("offset")), int(data.get("size")), _BITS[data.get("element_type")]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotAllowedError("a constant does not say where it is, or is not of numbers") from error
    if min(offset, length, *shape) < 0 or offset + length > size or length * 8 != math.prod(shape) * bits:
        raise NotAllowedError("a constant is not as long as its shape, or outside the file of weights")


def _check_shapes(path: Path) -> None:
    import openvino

    try:
        model = openvino.Core().read_model(path)
        if len(model.inputs) != 1 or len(model.inputs[0].partial_shape) != 4:
            raise NotAllowedError("it has other inputs than one of images, (N, H, W, 3)")
        _, *sides = model.inputs[0].partial_shape
        model.reshape([1, *sides])
    except RuntimeError as error:
        raise NotAllowedError(f"it is not valid: {last_line(error)}") from error
    nodes = model.get_ordered_ops()
    last = {id_of: place for place, node in enumerate(nodes) for id_of in map(_source, node.inputs())}
    live: dict[tuple[str, int], int] = {}
    for place, node in enumerate(nodes):
        constant = node.get_type_name() == "Constant"
        for number, output in enumerate(node.outputs()):
            if not output.partial_shape.is_static:
                raise NotAllowedError(f"the size of {node.get_friendly_name()!r:.80} depends on the image")
            elements = math.prod(output.shape)
            if elements > _MAX_ELEMENTS:
                raise NotAllowedError(f"{node.get_friendly_name()!r:.80} has {elements:,} numbers for one image")
            if not constant:
                live[node.get_name(), number] = elements
        if sum(live.values()) > _MAX_LIVE:
            raise NotAllowedError(
                f"it keeps {sum(live.values()):,} numbers at a time for one image; expected at most {_MAX_LIVE:,}"
            )
        for used in [*map(_source, node.inputs()), *((node.get_name(), at) for at in range(node.get_output_size()))]:
            if last.get(used, 0) <= place:
                live.pop(used, None)


def _source(given: Any) -> tuple[str, int]:
    output = given.get_source_output()
    return output.get_node().get_name(), output.get_index()
