"""A network as rows: the output of each layer and block, how many weights it has, and when it trains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tlkit.contracts import Phase
from tlkit.models.assemble import Network
from tlkit.models.freeze import trainable_variables
from tlkit.models.graph import flat, inputs_of, operations, strides


@dataclass(frozen=True)
class LayerRow:
    """A layer.

    Args:
        name: its name.
        kind: its class.
        group: the backbone's block, ``input`` before the first block, or ``head`` after the last.
        shape: the shape of its output without the batch: (h, w, channels) or (units,).
        stride: the stride of its output in input pixels; None if that is not a feature map.
        weights: the number of its weights.
        phases: the names of the phases in which any of them train.
    """

    name: str
    kind: str
    group: str
    shape: tuple[int, ...]
    stride: int | None
    weights: int
    phases: tuple[str, ...]


@dataclass(frozen=True)
class GroupRow:
    """A block of the backbone, or the layers of the input or the head at one stride.

    Args:
        name: the block's name, ``input``, or ``head`` with its stride.
        layers: the names of its layers, in graph order.
        shape: the shape of the last layer's output.
        stride: the stride of the last layer's output.
        weights: the number of weights of all its layers.
        phases: the names of the phases in which any of them train.
        feeds_on: the names of the other groups that its layers take tensors from.
    """

    name: str
    layers: tuple[str, ...]
    shape: tuple[int, ...]
    stride: int | None
    weights: int
    phases: tuple[str, ...]
    feeds_on: tuple[str, ...]


def layer_rows(network: Network, phases: Sequence[Phase]) -> tuple[LayerRow, ...]:
    """Return a row for every layer, in graph order."""
    trained = {phase.name: {id(variable) for variable in trainable_variables(network, phase)} for phase in phases}
    stride_of = strides(network.model)
    groups = _groups(network)
    rows = []
    for operation in operations(network.model):
        tensor = flat(operation.output)[0]
        variables = list(getattr(operation, "weights", ()))
        rows.append(
            LayerRow(
                operation.name,
                type(operation).__name__,
                groups[operation.name],
                tuple(int(size) for size in tensor.shape[1:]),
                _map_stride(tensor, stride_of[id(tensor)], network.model),
                sum(math.prod(variable.shape) for variable in variables),
                tuple(name for name, ids in trained.items() if any(id(each) in ids for each in variables)),
            )
        )
    return tuple(rows)


def _map_stride(tensor: Any, stride: int, model: Any) -> int | None:
    """Return the product of the layers' strides, corrected where a decoder has enlarged the map again."""
    if len(tensor.shape) != 4 or tensor.shape[1] == 1:
        return None
    ratio = flat(model.input)[0].shape[1] / tensor.shape[1]
    return stride if 0.6 < ratio / stride < 1.7 else max(1, 2 ** round(math.log2(ratio)))


def _groups(network: Network) -> Mapping[str, str]:
    block_of = network.block_of
    last = max((place for place, op in enumerate(operations(network.model)) if op.name in block_of), default=-1)
    group_of = {}
    current = "input"
    for place, operation in enumerate(operations(network.model)):
        current = block_of.get(operation.name, current)
        group_of[operation.name] = current if place <= last else "head"
    return group_of


def group_rows(network: Network, rows: Sequence[LayerRow]) -> tuple[GroupRow, ...]:
    """Group layers by block, and those of the head by stride, so that a decoder's stages are separate groups."""
    group_of = {row.name: _group_name(row) for row in rows}
    producer = {
        id(tensor): group_of[operation.name]
        for operation in operations(network.model)
        for tensor in flat(operation.output)
    }
    sources: dict[str, dict[str, None]] = {}
    for operation in operations(network.model):
        own = group_of[operation.name]
        for tensor in inputs_of(operation):
            if producer[id(tensor)] != own:
                sources.setdefault(own, {})[producer[id(tensor)]] = None
    members: dict[str, list[LayerRow]] = {}
    for row in rows:
        members.setdefault(group_of[row.name], []).append(row)
    return tuple(
        GroupRow(
            name,
            tuple(row.name for row in each),
            each[-1].shape,
            each[-1].stride,
            sum(row.weights for row in each),
            tuple(dict.fromkeys(phase for row in each for phase in row.phases)),
            tuple(sources.get(name, ())),
        )
        for name, each in members.items()
    )


def _group_name(row: LayerRow) -> str:
    return row.group if row.group != "head" or row.stride is None else f"head /{row.stride}"


def kernels(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield (layer name, kernel variable) of every layer that has a kernel, in graph order."""
    for layer in model.layers:
        if not isinstance(layer, keras.Model):
            kernel = next((each for each in layer.weights if "kernel" in each.name), None)
            if kernel is not None:
                yield layer.name, kernel
