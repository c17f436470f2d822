"""The shapes of the tensors of an ONNX graph."""

from __future__ import annotations

from typing import Any

_LARGE = 1024
"""Constants of more bytes are weights, not shapes: copying them would take longer than everything else."""


def shapes(model: Any, batch: int | None = None) -> dict[str, list[int]]:
    """Return tensor → its shape, with 0 for every size that ONNX can't tell.

    Args:
        model: an ``onnx.ModelProto``.
        batch: the number of images; None: any.
    """
    import onnx

    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    graph = light.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    if batch is not None:
        for value in graph.input:
            value.type.tensor_type.shape.dim[0].dim_value = batch
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")
    for each in model.graph.initializer:
        if each.ByteSize() > _LARGE:
            graph.input.append(onnx.helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)))
        else:
            graph.initializer.append(each)
    inferred = onnx.shape_inference.infer_shapes(light, data_prop=True).graph
    return {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.input, *inferred.output)
        if value.type.tensor_type.HasField("shape")
    }
