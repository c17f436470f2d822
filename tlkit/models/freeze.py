"""Freezing: which variables train in a phase, and the proof that the others did not move.

Flags are set on leaf layers, and the loop takes gradients of an explicit list of variables, because ``training=False``
in a graph does not survive Keras's ``fit`` (keras#20285) and ``trainable`` of a nested parent hides its children.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tlkit.contracts import Phase
from tlkit.errors import PluginError, RunError
from tlkit.models.assemble import Network
from tlkit.models.graph import flat, inputs_of, operations
from tlkit.models.joins import split_joins
from tlkit.system.text import listed


@dataclass(frozen=True)
class Prepared:
    """A model split for a phase.

    Args:
        variables: the variables that train, in the model's order.
        factors: the factor on the learning rate of each variable.
        frozen_part: images → the tensors at the cut, to be called with ``training=False``; None: nothing is frozen.
        live_part: those tensors, or the images, → logits; to be called with ``training=True``.
    """

    variables: tuple[Any, ...]
    factors: tuple[float, ...]
    frozen_part: Any | None
    live_part: Any


@dataclass(frozen=True)
class FreezeRow:
    """A variable in a phase: whether it may change, and whether it did."""

    layer: str
    variable: str
    should_change: bool
    changed: bool


class FreezeError(RunError):
    """A frozen variable moved.

    Attributes:
        rows: the whole table, one row per variable.
    """

    def __init__(self, message: str, rows: Sequence[FreezeRow]) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


def trainable_variables(network: Network, phase: Phase) -> tuple[Any, ...]:
    """Return the variables that gradients train in a phase, in the model's order.

    Raises:
        PluginError: the phase names a block that the backbone does not have.
    """
    return tuple(variable for _, variable in _trained_by_layer(network, phase))


def prepare(network: Network, phase: Phase) -> Prepared:
    """Split the model for a phase, without changing it; ``apply_flags`` makes it ready to train.

    The live region is every layer that trains and everything behind one; the head always trains. The rest is frozen:
    it runs in inference mode, dropout and BatchNorm included.

    Raises:
        PluginError: the phase names a block that the backbone does not have.
    """
    block_of = network.block_of
    trained = _trained_by_layer(network, phase)
    factors = tuple(phase.block_factors.get(block_of.get(owner, ""), 1.0) for owner, _ in trained)
    return Prepared(tuple(variable for _, variable in trained), factors, *_cut(network, phase))


def apply_flags(network: Network, phase: Phase) -> None:
    """Set the ``trainable`` flag of every layer for a phase. Nothing else in tlkit sets it.

    Raises:
        PluginError: the phase names a block that the backbone does not have.
    """
    _check_blocks(network, phase)
    for layer in network.model.layers:
        if isinstance(layer, keras.Model):
            layer.trainable = True
    for owner, layer in _leaves(network.model):
        # BatchNorm normalises with its moving statistics, in training too, exactly when it is not trainable.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = _statistics_move(owner, network, phase)
        else:
            layer.trainable = bool(_trained(owner, layer, network, phase))


def updates_statistics(network: Network, phase: Phase) -> bool:
    """Return whether any BatchNormalization layer updates its moving statistics in a phase."""
    return any(
        isinstance(layer, keras.layers.BatchNormalization) and _statistics_move(owner, network, phase)
        for owner, layer in _leaves(network.model)
    )


def _check_blocks(network: Network, phase: Phase) -> None:
    known = network.outline.names
    unknown = [name for name in (*phase.blocks, *phase.block_factors) if name not in known]
    if unknown:
        raise PluginError(f"phase {phase.name}: no block {', '.join(unknown)}; the backbone has {', '.join(known)}")


def _trained_by_layer(network: Network, phase: Phase) -> list[tuple[str, Any]]:
    """Return the variables that gradients train, each with the name of the flat model's layer that it belongs to."""
    _check_blocks(network, phase)
    leaves = _leaves(network.model)
    return [(owner, variable) for owner, layer in leaves for variable in _trained(owner, layer, network, phase)]


def _leaves(model: Any, owner: str | None = None) -> Iterator[tuple[str, Any]]:
    """Yield the leaf layers in graph order, each with the name of the flat model's layer that it is or belongs to."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer, owner or layer.name)
        else:
            yield owner or layer.name, layer


def _in_play(owner: str, network: Network, phase: Phase) -> bool:
    block = network.block_of.get(owner)
    return block is None or block in phase.blocks


def _statistics_move(owner: str, network: Network, phase: Phase) -> bool:
    """Return whether a BatchNormalization layer trains as a whole."""
    return _in_play(owner, network, phase) and (owner not in network.block_of or phase.batch_norm == "train")


def _trained(owner: str, layer: Any, network: Network, phase: Phase) -> list[Any]:
    """Return the variables of a layer that gradients train."""
    if not _in_play(owner, network, phase) or isinstance(layer, keras.layers.Normalization):
        return []
    if isinstance(layer, keras.layers.BatchNormalization):
        if owner in network.block_of and phase.batch_norm == "frozen":
            return []
        return [each for each in (layer.gamma, layer.beta) if each is not None]
    # Keras clears the flag of every variable of a frozen layer; the tf.Variable keeps the one it was created with.
    return [variable for variable in layer.variables if variable.value.trainable]


def _live(network: Network, phase: Phase) -> list[Any]:
    """Return the operations that train, and those that depend on one that does, in graph order."""
    live: list[Any] = []
    tensors: set[int] = set()
    for operation in operations(network.model):
        has_state = isinstance(operation, keras.layers.Layer) and bool(operation.variables)
        trains = has_state and _in_play(operation.name, network, phase)
        if trains or any(id(tensor) in tensors for tensor in inputs_of(operation)):
            live.append(operation)
            tensors |= {id(tensor) for tensor in flat(operation.output)}
    return live


def _cut(network: Network, phase: Phase) -> tuple[Any | None, Any]:
    model = network.model
    live = _live(network, phase)
    inside = {id(tensor) for operation in live for tensor in flat(operation.output)}
    boundary = {id(t): t for operation in live for t in inputs_of(operation) if id(t) not in inside}
    names = {operation.name for operation in live}
    if not any(layer.weights and layer.name not in names for layer in model.layers):
        return None, model
    tensors = list(boundary.values())
    live_part = keras.Model(tensors, model.output, name="live_part")
    return keras.Model(model.input, tensors, name="frozen_part"), split_joins(live_part)


def keyed_variables(model: Any) -> dict[str, Any]:
    """Return every variable of a flat model by the key ``layer/variable``, states of random generators included."""
    variables: dict[str, Any] = {}
    for layer in model.layers:
        for variable in layer.variables:
            path = variable.path.split("/", 1)[-1] if "/" in variable.path else variable.path
            key = f"{layer.name}/{path}"
            number = 1
            while key in variables:
                number += 1
                key = f"{layer.name}/{path}_{number}"
            variables[key] = variable
    return variables


def digests(model: Any) -> dict[str, str]:
    """Return the SHA-256 of every variable's bytes, by the keys of ``keyed_variables``."""
    return {
        # Keras's own conversion takes twice as long for variables as small as most are.
        key: hashlib.sha256(variable.value.numpy().tobytes()).hexdigest()
        for key, variable in keyed_variables(model).items()
    }


def expected_changes(network: Network, phase: Phase) -> dict[str, bool]:
    """Return whether the phase may change a variable, for every key of ``keyed_variables``.

    A phase changes the variables that train, the moving statistics of BatchNorm layers that train, and the states of
    random generators (dropout) in the live region.
    """
    live = {operation.name for operation in _live(network, phase)}
    may_change: set[int] = set()
    for owner, layer in _leaves(network.model):
        weights = {id(variable) for variable in layer.weights}
        if owner in live:
            may_change |= {id(variable) for variable in layer.variables} - weights
        trained = {id(variable) for variable in _trained(owner, layer, network, phase)}
        keeps_rest = isinstance(layer, keras.layers.BatchNormalization) and not _statistics_move(owner, network, phase)
        may_change |= trained if keeps_rest or not trained else weights
    return {key: id(variable) in may_change for key, variable in keyed_variables(network.model).items()}


def prove(network: Network, phase: Phase, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FreezeRow, ...]:
    """Check that a phase changed only variables that it may change.

    Args:
        network: the trained network.
        phase: the phase that ended.
        before, after: the digests of every variable before and after the phase.

    Returns:
        One row per variable.

    Raises:
        FreezeError: a frozen variable changed; its ``rows`` are the table.
    """
    rows = []
    for key, should in expected_changes(network, phase).items():
        layer, _, variable = key.partition("/")
        rows.append(FreezeRow(layer, variable, should, before[key] != after[key]))
    moved = [f"{row.layer}/{row.variable}" for row in rows if row.changed and not row.should_change]
    if moved:
        raise FreezeError(
            f"phase {phase.name}: {len(moved)} frozen variables changed: {listed(moved)}. "
            "This is a bug in tlkit or in a plugin; freeze.csv has the whole table",
            rows,
        )
    return tuple(rows)
