"""SavedModel folders with what is not allowed are refused before TensorFlow loads them.

What they have is harmless and stands for what would harm: an operation that reads a file which does not exist, or a
size a little over a limit.
"""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf
from export_context import export_context, network
from tensorflow.core.protobuf import saved_model_pb2
from tlkit_exporters import savedmodel_shapes, tlkit_exporters

import tlkit

[SAVEDMODEL] = [each for each in tlkit_exporters() if each.name == "savedmodel"]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Return the folder of a model with calls, shapes that are computed, and variables."""
    folder = tmp_path_factory.mktemp("export")
    SAVEDMODEL.write(export_context(network("unet_transpose"), folder), folder / "model", tlkit.Options())
    SAVEDMODEL.check(folder / "model")
    return folder / "model"


@pytest.fixture
def path(original, tmp_path):
    return shutil.copytree(original, tmp_path / "model")


def rewrite(path, change):
    file = path / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(model.meta_graphs[0])
    file.write_bytes(model.SerializeToString())


def node(graph, operation):
    """Return an operation of the function that computes."""
    functions = graph.graph_def.library.function
    body = next(each for each in functions if any(node.op == "Softmax" for node in each.node_def))
    return next(each for each in body.node_def if each.op == operation)


def constant_of(graph, operation, position, values):
    """Change a constant that an operation reads."""
    name = node(graph, operation).input[position].partition(":")[0]
    functions = graph.graph_def.library.function
    for each in (node for function in functions for node in function.node_def if node.name == name):
        each.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.array(values, np.int32)))


def set_operation(graph, operation, other):
    node(graph, operation).op = other


def set_object(graph, kind, **values):
    each = next(each for each in graph.object_graph_def.nodes if each.WhichOneof("kind") == kind)
    for name, value in values.items():
        setattr(each, name, value)


def grow_variable(graph):
    each = next(each for each in graph.object_graph_def.nodes if each.WhichOneof("kind") == "variable")
    each.variable.shape.dim[0].size = 10**9


def state_a_large_constant(graph):
    tensor = node(graph, "Const").attr["value"].tensor
    del tensor.tensor_shape.dim[:]
    tensor.tensor_shape.dim.add(size=2**26 + 1)


def state_many_axes(graph):
    tensor = node(graph, "Const").attr["value"].tensor
    for _ in range(20):
        tensor.tensor_shape.dim.add(size=1)


def compute_a_large_constant(graph):
    """Let the size of a resized map be a tiled constant."""
    body = next(
        each for each in graph.graph_def.library.function if any(node.op == "Softmax" for node in each.node_def)
    )
    pack = next(each for each in body.node_def if each.op == "Pack")
    source = pack.input[1]
    tile = body.node_def.add(name="tile", op="Tile", input=[source, source])
    tile.attr["T"].type = tile.attr["Tmultiples"].type = tf.int32.as_datatype_enum
    pack.input[1] = "tile:output:0"


CHANGES = {
    "an operation that reads files": (lambda graph: set_operation(graph, "Relu", "ReadFile"), "ReadFile"),
    "Python": (lambda graph: set_operation(graph, "Relu", "EagerPyFunc"), "EagerPyFunc"),
    "a custom operation": (lambda graph: set_operation(graph, "Relu", "NoOperation"), "NoOperation"),
    "saving where it computes": (lambda graph: set_operation(graph, "Relu", "SaveV2"), "SaveV2"),
    "another device": (lambda graph: setattr(node(graph, "Relu"), "device", "/job:other"), "device"),
    "an asset": (lambda graph: graph.asset_file_def.add(filename="no_file"), "assets"),
    "a registered class": (lambda graph: set_object(graph, "variable", registered_name="no.Class"), "registered"),
    "a registered saver": (lambda graph: set_object(graph, "variable", registered_saver="no.Saver"), "registered"),
    "an object of Keras": (
        lambda graph: setattr(graph.object_graph_def.nodes[0].user_object, "identifier", "_tf_keras_layer"),
        "_tf_keras_layer",
    ),
    "a gradient": (lambda graph: graph.graph_def.library.gradient.add(function_name="no_function"), "gradients"),
    "no objects": (lambda graph: graph.ClearField("object_graph_def"), "TensorFlow 2"),
    "variables that are not in the file": (grow_variable, "variables need"),
    "a large constant": (state_a_large_constant, "constants have"),
    "many axes": (state_many_axes, "axes; expected at most 16"),
    "a computed constant": (compute_a_large_constant, "Tile of constants"),
    "a large map": (lambda graph: constant_of(graph, "Pack", 1, 2**26), "Conv2DBackpropInput computes"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_allowed_is_refused_by_name(change, path):
    make, why = CHANGES[change]
    rewrite(path, make)
    with pytest.raises(tlkit.DataError, match=why):
        SAVEDMODEL.check(path)


def test_other_files_and_links_are_refused(path):
    (path / "variables" / "more.py").write_text("")
    with pytest.raises(tlkit.DataError, match=r"more\.py"):
        SAVEDMODEL.check(path)
    (path / "variables" / "more.py").unlink()
    (path / "assets.extra" / "tlkit.json").unlink()
    (path / "assets.extra" / "tlkit.json").symlink_to("/dev/zero")
    with pytest.raises(tlkit.DataError, match="link"):
        SAVEDMODEL.check(path)


def test_what_takes_too_much_memory_for_an_image_is_refused(path, monkeypatch):
    monkeypatch.setattr(savedmodel_shapes, "MOST_ELEMENTS", 1000)
    with pytest.raises(tlkit.DataError, match="numbers for an image; expected at most 1000"):
        SAVEDMODEL.check(path)


def test_a_damaged_folder_is_refused(path):
    file = path / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(tlkit.DataError, match="is damaged"):
        SAVEDMODEL.check(path)
    (path / "variables" / "variables.index").write_bytes(b"no index")
    shutil.rmtree(path / "variables")
    with pytest.raises(tlkit.DataError, match="is damaged"):
        SAVEDMODEL.check(path)
