"""A traced model as an ONNX graph in single precision.

Converters lose three things without an error: layers with constants outside the weights (``Normalization``), which
become required inputs; the exact sizes of Resize, which come from a rounded scale; and operations that have no
counterpart. See https://github.com/onnx/tensorflow-onnx and https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import tlkit
from tlkit_exporters.messages import first_line
from tlkit_exporters.onnx_shapes import shapes

OPSET = 18
"""The version of ONNX's operators: the newest that tf2onnx 1.17 writes."""
OUTPUTS = ("logits", "probabilities")
_BATCH = "N"
_LOGGERS = ("tensorflow", "tf2onnx", "absl")


def float_model(ctx: tlkit.ExportContext) -> Any:
    """Return the traced function as an ``onnx.ModelProto`` with the input ``images`` and the outputs ``OUTPUTS``.

    Raises:
        DataError: ONNX has no counterpart for an operation, or the graph is too large for a file.
    """
    import onnx

    with quiet():
        model = _converted(ctx)
    _check_operations(model)
    _name_batch(model)
    _make_sizes_exact(model, by_scales=ctx.quantize == "int8")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise tlkit.DataError(f"onnx: the graph is not valid: {first_line(error)}") from error
    return model


def _converted(ctx: tlkit.ExportContext) -> Any:
    import tf2onnx

    graph, given, results = _frozen(ctx.function)
    names = {given: "images", **dict(zip(results, OUTPUTS, strict=True))}
    try:
        model, _ = tf2onnx.convert.from_graph_def(
            graph,
            name="tlkit",
            input_names=[given],
            output_names=list(results),
            opset=OPSET,
            custom_op_handlers={"Erfc": (_erfc, [])},
            tensors_to_rename=names,
        )
    except (ValueError, NotImplementedError, AssertionError) as error:
        raise tlkit.DataError(f"onnx: the network can't be converted: {first_line(error)}") from error
    return model


def _frozen(function: Any) -> tuple[Any, str, list[str]]:
    """Return a function's graph with everything that it captured as constants, and the names of its tensors."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    concrete = function.get_concrete_function()
    order = sorted(concrete.structured_outputs)
    if tuple(order) != OUTPUTS:
        raise ValueError(f"expected a function with the outputs {OUTPUTS}, received {order}")
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False, aggressive_inlining=True)
    (given,) = frozen.inputs
    graph = tf.compat.v1.GraphDef()
    graph.CopyFrom(frozen.graph.as_graph_def())
    # Keras compiles grouped convolutions by XLA; TensorFlow does not inline such calls, and ONNX has none.
    bodies = [node for function in graph.library.function for node in function.node_def]
    for holder in (*graph.node, *graph.library.function, *bodies):
        for name in ("_XlaMustCompile", "_noinline"):
            holder.attr.pop(name, None)
    return graph, given.name, [tensor.name for tensor in frozen.outputs]


def _erfc(ctx: Any, node: Any, name: str, _args: Any) -> None:
    """Write TensorFlow's Erfc, which ONNX lacks and Keras's GELU uses, as 1 - Erf."""
    given, result = node.input[0], node.output[0]
    shape, kind = ctx.get_shape(result), ctx.get_dtype(result)
    ctx.remove_node(name)
    one = ctx.make_const(f"{name}_one", np.ones((), np.float32))
    erf = ctx.make_node("Erf", [given], name=f"{name}_erf", shapes=[shape], dtypes=[kind])
    ctx.make_node("Sub", [one.output[0], erf.output[0]], name=name, outputs=[result], shapes=[shape], dtypes=[kind])


def _check_operations(model: Any) -> None:
    import onnx

    lacking = sorted({node.op_type for node in model.graph.node if not onnx.defs.has(node.op_type, node.domain)})
    if lacking:
        raise tlkit.DataError(
            f"onnx: ONNX has no counterpart of TensorFlow's {', '.join(lacking)}; expected another head or backbone, "
            "or another format"
        )


def _name_batch(model: Any) -> None:
    """Name the dimension that any number of images may fill, and drop the version of an unused domain."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = _BATCH
    for entry in [entry for entry in model.opset_import if entry.domain]:
        model.opset_import.remove(entry)


def _make_sizes_exact(model: Any, *, by_scales: bool) -> None:
    """Give every Resize the size of its result, or a scale that is not less than the exact one.

    ONNX rounds the product of a size and its float32 scale down, so 61 times 64/61 is 63. The shape of what one Resize
    is given is right once those before it are.
    """
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    constants = {each.name: each for each in graph.initializer}
    for number, node in enumerate([node for node in graph.node if node.op_type == "Resize"]):
        if len(node.input) < 3 or not node.input[2]:
            continue
        scales = numpy_helper.to_array(constants[node.input[2]])
        if not np.array_equal(scales[:2], [1, 1]):
            raise tlkit.DataError(f"onnx: {node.name}: expected a Resize of height and width, received {scales}")
        before = np.asarray(shapes(model)[node.input[0]][2:])
        sizes = np.rint(before * scales[2:]).astype(np.int64)
        name = f"tlkit_size_{number}"
        if by_scales:
            graph.initializer.append(numpy_helper.from_array(_scales(before, sizes), name))
            node.input[:] = [node.input[0], "", name]
        else:
            graph.initializer.append(numpy_helper.from_array(sizes, name))
            node.input[:] = [node.input[0], "", "", name]
            node.attribute.append(onnx.helper.make_attribute("axes", [2, 3]))
    used = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _scales(before: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the smallest float32 scales, of N, channels, height and width, that are not below the exact ones."""
    scales = (sizes / before).astype(np.float32)
    below = scales.astype(np.float64) * before < sizes
    return np.concatenate([np.ones(2, np.float32), np.where(below, np.nextafter(scales, np.float32(np.inf)), scales)])


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what the converter logs; what can't be converted is found in the result."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
