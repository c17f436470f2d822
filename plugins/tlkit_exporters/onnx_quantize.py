"""Smaller numbers in ONNX graphs.

float16 keeps the weights in half precision, and the runtime computes with them in single precision, as LiteRT and
OpenVINO do. int8 and int16x8 keep weights of 8 bits per channel, and activations of 8 or 16 bits, whose ranges are
those of the calibration images: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tlkit
from tlkit_exporters.onnx_float import quiet
from tlkit_exporters.onnx_overflow import safe_ranges

_HALF_FROM = 64
"""Constants of fewer numbers stay as they are: they are sizes, means and scales."""
_HALF_LIMIT = 65504.0
_BATCH = 8
_WIDE_OPSET = 21
"""The version of ONNX's operators that has numbers of 16 bits."""
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_POOLING = ("GlobalAveragePool", "ReduceMean", "Squeeze", "Reshape", "Flatten", "Transpose")
"""Operations between the last feature map and a layer of weights, whose results are few numbers."""


def quantized(model: Any, ctx: tlkit.ExportContext, *, signed: bool = False) -> Any:
    """Quantize an ``onnx.ModelProto`` in single precision as ``ctx.quantize`` asks.

    Args:
        model: the model; it is changed.
        ctx: what the exporter was given.
        signed: whether int8 has signed weights. In ONNX Runtime, their products with unsigned activations overflow on
            processors without VNNI, and keeping them to 7 bits loses a tenth of MobileNetV2's answers. OpenVINO takes
            signed ones only: with others it computes in float32, and transposed convolutions wrongly. They have ranges
            with which their products don't overflow.

    Raises:
        DataError: there are no images for the calibration.
    """
    if ctx.quantize == "float16":
        return _half_weights(model)
    if not len(ctx.images):
        raise tlkit.DataError("onnx: a quantization needs images to calibrate it; received none")
    with quiet():
        return _calibrated(model, ctx, signed=signed)


def _half_weights(model: Any) -> Any:
    """Keep the weights in float16; a Cast, which a runtime computes once when it opens the file, restores float32."""
    import onnx
    from onnx import numpy_helper

    graph, casts = model.graph, []
    for each in graph.initializer:
        values = numpy_helper.to_array(each) if each.data_type == onnx.TensorProto.FLOAT else np.zeros(0)
        if values.size < _HALF_FROM or np.abs(values).max() > _HALF_LIMIT:
            continue
        name = each.name
        each.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_float16"))
        casts.append(onnx.helper.make_node("Cast", [each.name], [name], name=f"{name}_cast", to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _calibrated(model: Any, ctx: tlkit.ExportContext, *, signed: bool) -> Any:
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    # Given a model in memory, quant_pre_process moves its constants to a file, and then can't read them.
    single, prepared, result = (ctx.scratch / f"{name}.onnx" for name in ("single", "prepared", "quantized"))
    if ctx.quantize == "int16x8":
        model = onnx.version_converter.convert_version(model, _WIDE_OPSET)
    single.write_bytes(model.SerializeToString())
    quant_pre_process(single, prepared, skip_symbolic_shape=True)
    graph = onnx.load(prepared).graph
    wide = ctx.quantize == "int16x8"
    quantize_static(
        prepared,
        result,
        _Reader(ctx.images, ctx.input_type),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt16 if wide else QuantType.QUInt8,
        weight_type=QuantType.QInt8 if wide or signed else QuantType.QUInt8,
        calibrate_method=CalibrationMethod.MinMax,
        nodes_to_exclude=_end(graph),
        extra_options={"TensorQuantOverrides": safe_ranges(graph)} if signed else {},
    )
    return onnx.load(result)


def _end(graph: Any) -> list[str]:
    """Return the nodes that compute logits and probabilities from the last feature map.

    They stay in single precision: with 256 values for all logits, the two largest are often equal.
    """
    maker = {name: node for node in graph.node for name in node.output}
    node = maker["logits"]
    while node.op_type not in _WEIGHTED:
        node = next(maker[name] for name in node.input if name in maker)
    while node.input[0] in maker and maker[node.input[0]].op_type in _POOLING:
        node = maker[node.input[0]]
    pending, before = [name for name in node.input if name in maker], set()
    while pending:
        found = maker[pending.pop()]
        if found.name not in before:
            before.add(found.name)
            pending.extend(name for name in found.input if name in maker)
    return [node.name for node in graph.node if node.name not in before]


class _Reader:
    """What ONNX Runtime's calibration asks for images."""

    def __init__(self, images: np.ndarray, kind: str) -> None:
        self._batches: Iterator[np.ndarray] = (
            images[start : start + _BATCH].astype(kind, copy=False) for start in range(0, len(images), _BATCH)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}
