"""Infer the shapes that a SavedModel computes, for one image, and refuse what takes too much memory.

TensorFlow's own inference is used, on a graph without calls, gradients or values that are believed. To infer a shape it
computes small parts of the graph, so what shapes are made of is checked to be small before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

from tlkit_exporters.messages import NotAllowedError

MOST_ELEMENTS = 2**28
"""Limit for the numbers of a tensor, as for a layer of a Keras file."""
_MOST_NODES = 100_000
_MOST_DEPTH = 8
_MOST_SIZES = 4096
"""Limit for the numbers of what is computed from shapes and constants alone."""
_MOST_RANK = 8
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_SUMMED = frozenset(("Pack", "ConcatV2"))
_SMALLER_NAMES = """
    Cast ExpandDims GatherV2 Identity Max Neg Prod Reshape Rsqrt Sqrt Squeeze StridedSlice
"""
_SMALLER = frozenset(_SMALLER_NAMES.split())
_BROADCAST = frozenset(("Add", "AddV2", "Maximum", "Minimum", "Mul", "RealDiv", "Sub"))


def check_shapes(meta_graph: Any) -> None:
    """Check the shapes of the function that ``serving_default`` stands for.

    Args:
        meta_graph: a ``MetaGraphDef`` whose operations were checked.

    Raises:
        NotAllowedError: a shape is not known, or too large.
    """
    functions = {each.signature.name: each for each in meta_graph.graph_def.library.function}
    name = _signature(meta_graph.object_graph_def)
    nodes = list(_inlined(functions, name, _inputs(meta_graph, functions[name]), 0))
    if len(nodes) > _MOST_NODES:
        raise NotAllowedError(f"it computes {len(nodes)} operations; expected at most {_MOST_NODES}")
    _check_small(nodes)
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_pb2.GraphDef(node=nodes), name="")
    for operation in graph.get_operations():
        for tensor in operation.outputs:
            if tensor.dtype == tf.resource:
                continue
            if not tensor.shape.is_fully_defined():
                raise NotAllowedError(f"its operation {operation.type} has no shape that is known before it is run")
            if tensor.shape.num_elements() > MOST_ELEMENTS:
                raise NotAllowedError(
                    f"its operation {operation.type} computes {tensor.shape.num_elements()} numbers for an image; "
                    f"expected at most {MOST_ELEMENTS}"
                )


def _signature(objects: Any) -> str:
    """Return the name of the function of ``serving_default``."""
    [signatures] = [each.node_id for each in objects.nodes[0].children if each.local_name == "signatures"]
    [place] = [each.node_id for each in objects.nodes[signatures].children if each.local_name == "serving_default"]
    return str(objects.nodes[place].bare_concrete_function.concrete_function_name)


def _inputs(meta_graph: Any, function: Any) -> list[Any]:
    """Return a node for each input of the signature's function: one image, and what it captured."""
    objects = meta_graph.object_graph_def
    captured = objects.concrete_functions[function.signature.name].bound_inputs
    constants = {node.name: node.attr["value"].tensor for node in meta_graph.graph_def.node if node.op == "Const"}
    arguments = function.signature.input_arg
    if len(arguments) != 1 + len(captured):
        raise NotAllowedError("its signature does not take images alone")
    shape = function.arg_attr[0].attr["_output_shapes"].list.shape[0]
    if "_input_shapes" in function.attr and function.attr["_input_shapes"].list.shape[0] != shape:
        raise NotAllowedError("it states two shapes for its images")
    if len(shape.dim) != 4 or any(each.size < 1 for each in shape.dim[1:]):
        raise NotAllowedError("it takes images of any size; expected a height and a width")
    nodes = [_node("Placeholder", dtype=arguments[0].type, shape=(1, *(each.size for each in shape.dim[1:])))]
    for number in captured:
        place = objects.nodes[number]
        if place.WhichOneof("kind") == "variable":
            sizes = tuple(each.size for each in place.variable.shape.dim)
            nodes.append(_node("VarHandleOp", dtype=place.variable.dtype, shape=sizes))
        elif place.WhichOneof("kind") == "constant":
            tensor = constants[place.constant.operation]
            sizes = tuple(each.size for each in tensor.tensor_shape.dim)
            nodes.append(_node("Placeholder", dtype=tensor.dtype, shape=sizes))
        else:
            raise NotAllowedError("its function captured something else than variables and constants")
    return nodes


def _node(operation: str, *, dtype: int, shape: tuple[int, ...]) -> Any:
    node = graph_pb2.GraphDef().node.add(op=operation)
    node.attr["dtype"].type = dtype
    node.attr["shape"].shape.SetInParent()
    for size in shape:
        node.attr["shape"].shape.dim.add(size=size)
    return node


def _inlined(
    functions: Mapping[str, Any], name: str, inputs: Sequence[Any], depth: int, prefix: str = "f"
) -> Iterator[Any]:
    """Yield the nodes of a function, and in place of calls those of what is called.

    Args:
        functions: name → function.
        name: the function.
        inputs: nodes to take the place of its arguments.
        depth: how many calls it is inside of.
        prefix: a name for it.

    An identity ``PREFIX/ret_N`` stands for each value that it returns.
    """
    if depth > _MOST_DEPTH:
        raise NotAllowedError(f"its functions call others more than {_MOST_DEPTH} deep")
    function = type(functions[name]).FromString(functions[name].SerializeToString())
    called = {node.name: node.attr["f"].func.name for node in function.node_def if node.op in _CALLS}
    for node in function.node_def:
        if node.name in called:
            node.attr["f"].func.name = ""  # TensorFlow would look it up
    arguments = [each.name for each in function.signature.input_arg]
    body, places = function_def_to_graph_def(function, [None] * len(arguments))
    given = dict(zip(arguments, inputs, strict=True))
    for node in body.node:
        own = node.name
        if own in given:
            node.CopyFrom(given[own])
        else:
            node.input[:] = [_renamed(each, prefix, called) for each in node.input if not each.startswith("^")]
        for key in [key for key in node.attr if key.startswith("_")]:
            del node.attr[key]
        node.name, node.device = f"{prefix}/{own}", ""
        if own in called:
            passed = [_identity(*each) for each in zip(node.input, node.attr["Tin"].list.type, strict=True)]
            yield from _inlined(functions, called[own], passed, depth + 1, node.name)
        else:
            yield node
    for number, argument in enumerate(function.signature.output_arg):
        source = places[function.ret[argument.name]]
        yield _identity(_renamed(source, prefix, called), argument.type, f"{prefix}/ret_{number}")


def _renamed(source: str, prefix: str, calls: Mapping[str, str]) -> str:
    """Return the name of a value of a function's node in the graph without calls."""
    name, _, place = source.partition(":")
    if name in calls:
        return f"{prefix}/{name}/ret_{place or 0}"
    return f"{prefix}/{source}"


def _identity(source: str, kind: int, name: str = "") -> Any:
    node = graph_pb2.GraphDef().node.add(op="Identity", name=name, input=[source])
    node.attr["T"].type = kind
    return node


def _check_small(nodes: Sequence[Any]) -> None:
    """Check that what is computed from constants and shapes alone is small.

    Raises:
        NotAllowedError: it is large, or computed by an operation that may make it so.
    """
    by_name = {node.name: node for node in nodes}
    sizes: dict[str, int | None] = {}
    waiting = list(by_name)
    while waiting:
        node = by_name[waiting[-1]]
        sources = [each.partition(":")[0] for each in node.input]
        missing = [each for each in sources if each not in sizes]
        if missing and node.op != "Shape":
            if len(waiting) > 4 * len(nodes):
                raise NotAllowedError("its operations depend on each other in a circle")
            waiting += missing
            continue
        waiting.pop()
        sizes[node.name] = _size(node, [sizes.get(each) for each in sources])


def _size(node: Any, inputs: Sequence[int | None]) -> int | None:
    """Return how many numbers a value has at most that depends on constants and shapes; None for another."""
    if node.op == "Shape":
        return _MOST_RANK
    if node.op == "Const":
        return math.prod(int(each.size) for each in node.attr["value"].tensor.tensor_shape.dim)
    known = [each for each in inputs if each is not None]
    if not inputs or len(known) < len(inputs):
        return None
    if node.op in _SUMMED:
        size = sum(known)
    elif node.op in _BROADCAST:
        size = math.prod(known)
    elif node.op in _SMALLER:
        size = max(known)
    else:
        raise NotAllowedError(f"it computes {node.op} of constants")
    if node.op != "Identity" and size > _MOST_SIZES:
        raise NotAllowedError(f"it computes {size} numbers of constants by {node.op}; expected at most {_MOST_SIZES}")
    return size
