"""Check a SavedModel folder from an untrusted source before TensorFlow loads it.

A SavedModel is a program: its graph may read and write files, and call Python. So what it may have is listed: the
operations that Keras's layers make, variables, and nothing that is looked up by name when it is loaded. Its sizes are
compared with those of its files, and the shapes that it will compute are inferred.

The format: https://www.tensorflow.org/guide/saved_model, and ``saved_object_graph.proto`` in TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

import tlkit
from tlkit_exporters.messages import NotAllowedError, first_line
from tlkit_exporters.savedmodel_shapes import check_shapes

_FILES = {
    "saved_model.pb": 2**28,
    "fingerprint.pb": 2**16,
    "variables/variables.index": 2**26,
    "variables/variables.data-00000-of-00001": 2**35,
    "assets.extra/tlkit.json": 2**24,
}
"""What the folder may contain, and how many bytes each file may have."""
_COMPUTING_NAMES = """
    Add AddV2 AvgPool BatchToSpaceND BiasAdd Cast ConcatV2 Const Conv2D Conv2DBackpropInput DepthwiseConv2dNative Elu
    Erf Erfc Exp ExpandDims FusedBatchNormV3 GatherV2 Identity IdentityN LeakyRelu Log MatMul Max MaxPool Maximum Mean
    Min Minimum MirrorPad Mul Neg NoOp Pack Pad PadV2 PartitionedCall Pow Prod ReadVariableOp RealDiv Relu Relu6
    Reshape ResizeBicubic ResizeBilinear ResizeNearestNeighbor ReverseV2 Rsqrt Selu Shape Sigmoid Softmax Softplus
    Softsign SpaceToBatchND Split SplitV Sqrt Square SquaredDifference Squeeze StatefulPartitionedCall StopGradient
    StridedSlice Sub Sum Tanh Tile Transpose Unpack
"""
"""Operations that only compute."""
_SAVING_NAMES = """
    AssignVariableOp DisableCopyOnRead MergeV2Checkpoints RestoreV2 SaveV2 Select ShardedFilename StaticRegexFullMatch
    StringJoin
"""
"""Operations of the functions that save and restore variables, which TensorFlow 2 does not call."""
_COMPUTING = frozenset(_COMPUTING_NAMES.split())
_SAVING = frozenset(_SAVING_NAMES.split())
_OBJECTS = frozenset(("_generic_user_object", "trackable_list_wrapper", "signature_map"))
_MOST_PARTS = 100_000
"""Limit for nodes, and for objects."""
_MOST_AXES = 16
_MOST_ELEMENTS = 2**26
"""Limit for the numbers of all constants."""


def check(path: Path) -> None:
    """Raise a DataError if loading or running the folder could do more than compute."""
    try:
        _check_files(path)
        model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
        _check_model(model, path)
    except NotAllowedError as error:
        raise tlkit.DataError(f"{path}: not loaded: {error}") from error
    except (OSError, DecodeError, ValueError, KeyError, IndexError, TypeError, tf.errors.OpError) as error:
        raise tlkit.DataError(f"{path}: is damaged, or no SavedModel: {first_line(error)}") from error


def _check_files(path: Path) -> None:
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if file.is_symlink():
            raise NotAllowedError(f"{name} is a link")
        if file.is_dir():
            continue
        if name not in _FILES:
            raise NotAllowedError(f"it has the file {name!r}; expected only {', '.join(_FILES)}")
        if file.stat().st_size > _FILES[name]:
            raise NotAllowedError(f"{name} has {file.stat().st_size} bytes; expected at most {_FILES[name]}")


def _check_model(model: Any, path: Path) -> None:
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        raise NotAllowedError("it has not one graph with objects, as TensorFlow 2 writes it")
    [graph] = model.meta_graphs
    if graph.asset_file_def:
        raise NotAllowedError("it reads files of its own (assets)")
    if graph.graph_def.library.gradient or graph.graph_def.library.registered_gradients:
        raise NotAllowedError("it names gradients")
    _check_objects(graph.object_graph_def)
    _check_variables(graph.object_graph_def, path)
    _check_operations(graph)
    _check_constants(graph)
    check_shapes(graph)


def _check_objects(objects: Any) -> None:
    if len(objects.nodes) > _MOST_PARTS:
        raise NotAllowedError(f"it has {len(objects.nodes)} objects; expected at most {_MOST_PARTS}")
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        if kind not in ("user_object", "variable", "constant", "function", "bare_concrete_function"):
            raise NotAllowedError(f"it has an object of the kind {kind}")
        if kind == "user_object" and node.user_object.identifier not in _OBJECTS:
            raise NotAllowedError(f"it has an object {node.user_object.identifier[:80]!r}")
        registered = "tf.TrackableConstant" if kind == "constant" else ""
        if node.registered_name not in ("", registered) or node.registered_saver or node.saveable_objects:
            raise NotAllowedError("it has an object that is loaded by registered code")


def _check_variables(objects: Any, path: Path) -> None:
    """Check that the file has the numbers of the variables."""
    data = (path / "variables" / "variables.data-00000-of-00001").stat().st_size
    needed = 0
    for node in objects.nodes:
        if node.WhichOneof("kind") == "variable":
            variable = node.variable
            size = tf.dtypes.as_dtype(variable.dtype).size
            if not size or variable.device or variable.experimental_distributed_variable_components:
                raise NotAllowedError("it has a variable that is not an array of numbers on this machine")
            needed += _elements(variable.shape) * size
    if needed > data:
        raise NotAllowedError(f"its variables need {needed} bytes, and their file has {data}")
    stored = tf.train.load_checkpoint(str(path / "variables" / "variables")).get_variable_to_shape_map()
    if sum(math.prod(shape) for shape in stored.values()) > data:
        raise NotAllowedError(f"its variables are larger than their file of {data} bytes")


def _elements(shape: Any) -> int:
    if len(shape.dim) > _MOST_AXES:  # the product of millions of numbers takes minutes
        raise NotAllowedError(f"a variable or constant has {len(shape.dim)} axes; expected at most {_MOST_AXES}")
    if shape.unknown_rank or any(each.size < 0 for each in shape.dim):
        raise NotAllowedError("a variable or constant has no fixed shape")
    return math.prod(each.size for each in shape.dim)


def _check_operations(graph: Any) -> None:
    functions = {each.signature.name: each for each in graph.graph_def.library.function}
    reached = set(_reached(functions, graph.object_graph_def.concrete_functions))
    count = 0
    for name, function in functions.items():
        count += len(function.node_def)
        allowed = _COMPUTING if name in reached else _COMPUTING | _SAVING
        for node in function.node_def:
            _check_node(node, allowed)
    if count > _MOST_PARTS:
        raise NotAllowedError(f"it has {count} operations; expected at most {_MOST_PARTS}")


def _reached(functions: Any, first: Any) -> Iterator[str]:
    """Yield the functions that objects stand for, and those that these call."""
    waiting, seen = list(first), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        for node in functions[name].node_def:
            waiting += [node.op] if node.op in functions else []
            waiting += [each for value in node.attr.values() for each in _called(value)]


def _called(value: Any) -> list[str]:
    return [each.name for each in (value.func, *value.list.func) if each.name]


def _check_node(node: Any, allowed: frozenset[str]) -> None:
    if node.op not in allowed:
        raise NotAllowedError(f"it has the operation {node.op[:80]}, which is not allowed")
    if node.device not in ("", "/device:CPU:0", "/device:CPU:*"):
        raise NotAllowedError(f"its operation {node.op} names the device {node.device[:80]!r}")


def _check_constants(graph: Any) -> None:
    """Check how many numbers the constants have, which a file may state as one number and a shape."""
    nodes = [*graph.graph_def.node, *(node for each in graph.graph_def.library.function for node in each.node_def)]
    constants = [node.attr["value"].tensor for node in nodes if node.op == "Const"]
    elements = sum(_elements(each.tensor_shape) for each in constants)
    if elements > _MOST_ELEMENTS:
        raise NotAllowedError(f"its constants have {elements} numbers; expected at most {_MOST_ELEMENTS}")
