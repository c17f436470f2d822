"""Reading a functional graph: strides, the tensors that every path passes through, and blocks of layers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from tlkit.contracts import Block

_STRIDED = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
)

_EDGES = (keras.layers.ZeroPadding2D, keras.layers.Cropping2D)


def flat(structure: Any) -> list[Any]:
    """Return the tensors of a nested structure as a list."""
    return list(keras.tree.flatten(structure))


def operations(model: Any) -> list[Any]:
    """Return the operations of a functional model, inputs first; each comes after those that feed it."""
    return list(model.operations)


def inputs_of(operation: Any) -> list[Any]:
    """Return the tensors that an operation was first called on."""
    return [] if isinstance(operation, keras.layers.InputLayer) else flat(operation.input)


def calls(model: Any) -> dict[str, int]:
    """Return how often a functional model calls each of its operations, by name; calls of other models don't count."""
    return {each["name"]: len(each["inbound_nodes"]) for each in model.get_config()["layers"]}


def strides(model: Any) -> dict[int, int]:
    """Return the stride, in input pixels, of every tensor of a model.

    Returns:
        ``id`` of a tensor → stride: the product of the strides of the layers between the input and it.
    """
    stride_of: dict[int, int] = {}
    for operation in operations(model):
        stride = max((stride_of.get(id(tensor), 1) for tensor in inputs_of(operation)), default=1)
        stride *= _step(operation)
        for tensor in flat(operation.output):
            stride_of[id(tensor)] = stride
    return stride_of


def _step(operation: Any) -> int:
    if isinstance(operation, keras.Sequential):
        return math.prod(_step(layer) for layer in operation.layers)
    if not isinstance(operation, _STRIDED) or isinstance(operation, keras.layers.Conv2DTranspose):
        return 1
    step = operation.strides
    return step if isinstance(step, int) else int(step[0])


def bottlenecks(model: Any) -> set[int]:
    """Return the ``id``s of the tensors that every path from the input to the output passes through."""
    order = operations(model)
    uses_left: dict[int, int] = {}
    for operation in order:
        for tensor in inputs_of(operation):
            uses_left[id(tensor)] = uses_left.get(id(tensor), 0) + 1
    for tensor in flat(model.output):
        uses_left[id(tensor)] = uses_left.get(id(tensor), 0) + 1
    open_tensors: set[int] = set()
    narrow: set[int] = set()
    for operation in order:
        for tensor in inputs_of(operation):
            uses_left[id(tensor)] -= 1
            if uses_left[id(tensor)] == 0:
                open_tensors.discard(id(tensor))
        outputs = [id(tensor) for tensor in flat(operation.output)]
        open_tensors |= {tensor for tensor in outputs if uses_left.get(tensor)}
        if open_tensors == set(outputs[:1]):
            narrow.add(outputs[0])
    return narrow


def feature_maps(model: Any) -> dict[int, Any]:
    """Return the last feature map at each stride from 2 on.

    That is the last tensor of the stride that every path passes through; if a stride has none (NASNet's cells take the
    outputs of the two cells before), the last tensor of that stride. The greatest stride is the model's output.

    Returns:
        stride → symbolic tensor (N, h, w, channels).
    """
    stride_of, narrow = strides(model), bottlenecks(model)
    height, width = flat(model.input)[0].shape[1:3]
    narrowest: dict[int, Any] = {}
    last: dict[int, Any] = {}
    for operation in operations(model):
        tensor = flat(operation.output)[0]
        stride = stride_of[id(tensor)]
        if stride < 2 or len(tensor.shape) != 4 or isinstance(operation, _EDGES):
            continue
        if (tensor.shape[1] == 1 and height > 2 * stride) or (tensor.shape[2] == 1 and width > 2 * stride):
            continue
        last[stride] = tensor
        if id(tensor) in narrow:
            narrowest[stride] = tensor
    output = flat(model.output)[0]
    maps = {**last, **narrowest, stride_of[id(output)]: output}
    return {stride: maps[stride] for stride in sorted(maps) if stride <= stride_of[id(output)]}


def name_layers(model: Any, prefix: str) -> dict[str, str]:
    """Rename layers that Keras named by its global counter, so that their names are the same in every process.

    Keras counts ``conv2d_7`` across all models of a process, so a second model would get other names.

    Returns:
        old name → new name of the renamed layers.
    """
    renamed: dict[str, str] = {}
    taken = {operation.name for operation in operations(model) if not _automatic(operation)}
    counts: dict[str, int] = {}
    for operation in operations(model):
        if isinstance(operation, keras.layers.InputLayer) or not _automatic(operation):
            continue
        base = f"{prefix}{snake_case(type(operation).__name__)}"
        while True:
            counts[base] = counts.get(base, 0) + 1
            name = f"{base}_{counts[base]}"
            if name not in taken:
                break
        renamed[operation.name] = name
        operation.name = name
    return renamed


def _automatic(operation: Any) -> bool:
    return re.fullmatch(re.escape(snake_case(type(operation).__name__)) + r"(_\d+)?", operation.name) is not None


def snake_case(name: str) -> str:
    """Convert a class name as Keras does for the names of layers and for their paths in a weights file."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def blocks_by_name(model: Any, patterns: Iterable[tuple[str, str]], *, last_layer_matches: bool) -> tuple[Block, ...]:
    """Group the layers into blocks by patterns of their names.

    Args:
        model: the backbone as a functional model.
        patterns: (regular expression for the start of a layer's name, the block's name); the first match wins.
        last_layer_matches: assign unmatched layers to the block of the next match, not of the one before.
    """
    layers = [op for op in operations(model) if not isinstance(op, keras.layers.InputLayer)]
    compiled = [(re.compile(pattern), name) for pattern, name in patterns]
    own: list[str | None] = []
    for layer in layers:
        matches = (
            match.expand(name) if "\\" in name else name
            for pattern, name in compiled
            if (match := pattern.match(layer.name))
        )
        own.append(next(matches, None))
    names = _fill(own[::-1])[::-1] if last_layer_matches else _fill(own)
    return _blocks(model, layers, names)


def blocks_by_stride(model: Any) -> tuple[Block, ...]:
    """Group the layers into blocks ``stride2``, ``stride4``, … by the stride of their outputs."""
    layers = [op for op in operations(model) if not isinstance(op, keras.layers.InputLayer)]
    stride_of = strides(model)
    return _blocks(model, layers, [f"stride{max(stride_of[id(flat(layer.output)[0])], 2)}" for layer in layers])


def _fill(names: Sequence[str | None]) -> list[str]:
    current = next((name for name in names if name is not None), "all")
    filled = []
    for name in names:
        current = name or current
        filled.append(current)
    return filled


def _blocks(model: Any, layers: Sequence[Any], names: Sequence[str]) -> tuple[Block, ...]:
    members: dict[str, list[Any]] = {}
    for layer, name in zip(layers, names, strict=True):
        members.setdefault(name, []).append(layer)
    return named_blocks(model, members)


def named_blocks(model: Any, members: Mapping[str, Sequence[Any]]) -> tuple[Block, ...]:
    """Return blocks of layers, each with the stride of most of its layers; in a tie, the greater stride.

    The last layer's stride would not do: ResNet v2 and DenseNet halve the size at the end of a stage, others at its
    start.

    Args:
        model: the backbone as a functional model.
        members: block name → its layers, in order.
    """
    stride_of = strides(model)
    blocks = []
    for name, layers in members.items():
        layer_strides = [stride_of[id(flat(layer.output)[0])] for layer in layers]
        stride = max(layer_strides, key=lambda stride: (layer_strides.count(stride), stride))
        blocks.append(Block(name, tuple(layer.name for layer in layers), stride))
    return tuple(blocks)
