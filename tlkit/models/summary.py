"""A network as rows: what each layer and block puts out, how many weights it has, and when it trains."""

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
        name: of the layer.
        kind: its class.
        group: the backbone's block, ``input`` for what stands before the first, ``head`` for what stands behind.
        shape: of its output, without the batch: (h, w, channels) or (units,).
        stride: of its output in input pixels; None for an output that is no feature map.
        weights: how many numbers it holds.
        phases: names of the phases in which some of them train.
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
    """A block of the backbone, or a stretch of the input or the head at one stride.

    Args:
        name: the block's, ``input``, or ``head`` with its stride.
        layers: in it, in graph order.
        shape: of the last layer's output.
        stride: of the last layer's output.
        weights: of all layers.
        phases: names of the phases in which some of them train.
        feeds_on: names of the groups that its layers take tensors from, itself left out.
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
    """The stride as the product of the layers', corrected where a decoder has made the map larger again."""
    if len(tensor.shape) != 4 or tensor.shape[1] == 1:
        return None
    ratio = flat(model.input)[0].shape[1] / tensor.shape[1]
    return stride if 0.6 < ratio / stride < 1.7 else max(1, 2 ** round(math.log2(ratio)))


def _groups(network: Network) -> Mapping[str, str]:
    block_of = network.block_of
    last = max((place for place, op in enumerate(operations(network.model)) if op.name in block_of), default=-1)
    found = {}
    current = "input"
    for place, operation in enumerate(operations(network.model)):
        current = block_of.get(operation.name, current)
        found[operation.name] = current if place <= last else "head"
    return found


def group_rows(network: Network, rows: Sequence[LayerRow]) -> tuple[GroupRow, ...]:
    """The layers block by block; the head by stride, so that a decoder's stages stand apart."""
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
    """(layer name, kernel variable) of every layer that has one, in graph order."""
    for layer in model.layers:
        if not isinstance(layer, keras.Model):
            found = [each for each in layer.weights if "kernel" in each.name]
            if found:
                yield layer.name, found[0]
