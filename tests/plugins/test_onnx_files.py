"""ONNX files: what tlkit writes, and what it refuses to run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from export_context import expected, export_context, network, pictures
from onnx import TensorProto, helper, numpy_helper
from tlkit_exporters.onnx_check import OPERATIONS, check_onnx
from tlkit_exporters.onnx_export import write_onnx
from tlkit_exporters.onnx_file import open_onnx
from tlkit_exporters.onnx_float import float_model

import tlkit


def float_file(nodes: list[Any], constants: dict[str, np.ndarray], output: list[Any]) -> Any:
    """Return a valid graph from images (N, 4, 4, 3) to ``logits``."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 4, 4, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def plain() -> Any:
    nodes = [helper.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=0)]
    nodes.append(helper.make_node("MatMul", ["mean", "kernel"], ["logits"]))
    return float_file(nodes, {"axes": np.array([1, 2]), "kernel": np.ones((3, 2), "float32")}, ["N", 2])


def saved(folder: Path, model: Any) -> Path:
    path = folder / "file.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def resizing_model() -> Any:
    """Return a model that makes a map of 61 x 61 one of 64 x 64, which ONNX's scales don't reach."""
    images = keras.Input((61, 61, 3))
    resized = keras.layers.Resizing(64, 64)(keras.layers.Conv2D(3, 1)(images))
    return keras.Model(images, resized)


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_a_resize_from_61_gives_64(quantize: Any, tmp_path: Path) -> None:
    keras_model = resizing_model()
    model = float_model(export_context(keras_model, tmp_path, quantize=quantize))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = pictures(2, (61, 61))
    (logits,) = session.run(["logits"], {"images": images})
    np.testing.assert_allclose(logits, expected(keras_model, images)["logits"], atol=1e-3)


def test_an_operation_that_onnx_lacks_is_named(tmp_path: Path) -> None:
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, keras.ops.erfinv(keras.layers.GlobalAveragePooling2D()(images) / 1000))
    with pytest.raises(tlkit.DataError, match="ONNX has no counterpart of TensorFlow's Erfinv"):
        float_model(export_context(model, tmp_path))


def test_float16_halves_the_file_and_computes_in_float32(tmp_path: Path) -> None:
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, keras.layers.Dense(4)(keras.layers.Dense(5000)(keras.layers.Flatten()(images))))
    sizes = []
    for number, quantize in enumerate((None, "float16")):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "model.onnx"
        write_onnx(export_context(model, folder, quantize=quantize), path, tlkit.Options())
        sizes.append(path.stat().st_size)
        assert open_onnx(path, 1).precision == "float32"
    assert 0.5 <= sizes[1] / sizes[0] < 0.52


def test_int8_names_the_layers_that_stay_in_float32(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_onnx(export_context(network("cnn"), tmp_path, quantize="int8"), path, tlkit.Options())
    assert open_onnx(path, 1).precision == "int8; 1 of 3 layers float32"


def test_a_quantization_without_images_is_refused(tmp_path: Path) -> None:
    ctx = export_context(network("cnn"), tmp_path, quantize="int8", images=np.zeros((0, 24, 32, 3), np.uint8))
    with pytest.raises(tlkit.DataError, match="needs images to calibrate it"):
        write_onnx(ctx, tmp_path / "model.onnx", tlkit.Options())


def test_a_plain_file_of_someone_else_is_accepted(tmp_path: Path) -> None:
    check_onnx(saved(tmp_path, plain()))


def external() -> Any:
    model = plain()
    kernel = model.graph.initializer[1]
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    kernel.external_data.add(key="location", value="/etc/hostname")
    return model


def external_attribute() -> Any:
    model = plain()
    value = numpy_helper.from_array(np.ones((3, 2), "float32"))
    node = helper.make_node("Constant", [], ["kernel"], value=value)
    del model.graph.initializer[1]
    model.graph.node.insert(0, node)
    tensor = node.attribute[0].t
    model.graph.node[0].attribute[0].t.data_location = TensorProto.EXTERNAL
    model.graph.node[0].attribute[0].t.external_data.add(key="location", value="kernel.bin")
    assert tensor.raw_data
    return model


def custom_domain() -> Any:
    model = plain()
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


def runtime_domain() -> Any:
    model = plain()
    model.graph.node[0].op_type = "EPContext"
    model.graph.node[0].domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def loop() -> Any:
    model = plain()
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["more"], body=body))
    return model


def function() -> Any:
    model = plain()
    model.functions.append(helper.make_function("d", "F", ["x"], ["y"], [], [helper.make_opsetid("", 18)]))
    return model


def sparse() -> Any:
    model = plain()
    values = helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor("p", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [2**40]))
    return model


def huge() -> Any:
    nodes = [helper.make_node("Tile", ["images", "repeats"], ["logits"])]
    return float_file(nodes, {"repeats": np.array([1, 2**15, 2**15, 1])}, ["N", 2**17, 2**17, 3])


def many_at_a_time() -> Any:
    """Return a graph that keeps 40 maps, each within the limit, until it adds them up."""
    nodes = [
        helper.make_node("Tile", ["images", "repeats"], [f"map{number}"], name=f"tile{number}") for number in range(40)
    ]
    nodes.append(helper.make_node("Concat", [f"map{number}" for number in range(40)], ["logits"], axis=3))
    return float_file(nodes, {"repeats": np.array([1, 2**9, 2**9, 1])}, ["N", 2**11, 2**11, 120])


def unknown_size() -> Any:
    nodes = [
        helper.make_node("ReduceMax", ["images"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["count"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["count", "axis"], ["counts"]),
        helper.make_node("Concat", ["one", "counts", "one", "one"], ["repeats"], axis=0),
        helper.make_node("Tile", ["images", "repeats"], ["logits"]),
    ]
    return float_file(nodes, {"axis": np.array([0]), "one": np.array([1])}, ["N", "h", 4, 3])


def long_texts() -> Any:
    model = plain()
    helper.set_model_props(model, {"classes": "x" * (17 * 2**20)})
    return model


def short_constant() -> Any:
    model = plain()
    model.graph.initializer[1].dims[0] = 3000
    return model


def many_axes() -> Any:
    model = plain()
    model.graph.initializer[1].dims[:0] = [1] * 20
    return model


def many_computed_axes() -> Any:
    nodes = [helper.make_node("Reshape", ["images", "shape"], ["logits"])]
    return float_file(nodes, {"shape": np.array([1] * 20 + [-1])}, ["N"])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (many_axes, "a constant has the shape"),
        (many_computed_axes, "has 21 axes; expected at most 16"),
        (external, "constants in other files"),
        (external_attribute, "constants in other files"),
        (custom_domain, "'com.example.ReduceMean' is not one that is allowed"),
        (runtime_domain, "'com.microsoft.EPContext' is not one that is allowed"),
        (loop, "'Loop' is not one that is allowed"),
        (function, "it has functions"),
        (sparse, "sparse constants"),
        (huge, "numbers at a time for one image; expected at most 268,435,456"),
        (many_at_a_time, "numbers at a time for one image"),
        (unknown_size, "depends on the image"),
        (long_texts, "its texts have 17,825,7"),
        (short_constant, "it is not valid"),
    ],
)
def test_a_file_that_could_do_more_than_compute_is_refused(
    make: Callable[[], Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(tlkit.DataError, match=reason) as raised:
        check_onnx(saved(tmp_path, make()))
    assert "or --trust if you know who made it" in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08" * 100])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.onnx"
    path.write_bytes(content)
    with pytest.raises(tlkit.DataError, match=r"file\.onnx: it"):
        check_onnx(path)


def test_a_file_with_other_outputs_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(tlkit.DataError, match="and the outputs logits and probabilities; received"):
        open_onnx(saved(tmp_path, plain()), 1)


def test_a_file_that_the_runtime_refuses_is_named(tmp_path: Path) -> None:
    model = plain()
    model.graph.node[1].input[1] = "images"
    with pytest.raises(tlkit.DataError, match="ONNX Runtime can't run it"):
        open_onnx(saved(tmp_path, model), 1)


def test_every_operation_that_is_allowed_exists() -> None:
    assert all(onnx.defs.has(name) for name in OPERATIONS)
