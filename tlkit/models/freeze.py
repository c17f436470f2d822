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


@dataclass(frozen=True)
class Prepared:
    """A phase's split of the model.

    Args:
        variables: those that train, in the model's order.
        factors: the factor on the learning rate of each.
        frozen_part: images → the tensors at the cut, to be run with ``training=False``; None: nothing is frozen.
        live_part: those tensors, or the images, → logits; to be run with ``training=True``.
    """

    variables: tuple[Any, ...]
    factors: tuple[float, ...]
    frozen_part: Any | None
    live_part: Any


@dataclass(frozen=True)
class FreezeRow:
    """A variable in a phase: whether it should change and whether it did."""

    layer: str
    variable: str
    should_change: bool
    changed: bool


class FreezeError(RunError):
    """A frozen variable moved.

    Attributes:
        rows: the whole table.
    """

    def __init__(self, message: str, rows: Sequence[FreezeRow]) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


def prepare(network: Network, phase: Phase) -> Prepared:
    """Set the ``trainable`` flags of a phase and split the model at the frozen region's border.

    The live region is every layer that trains and everything behind one; the head always trains. The rest is frozen:
    it runs in inference mode, dropout and BatchNorm included.

    Raises:
        PluginError: the phase names a block that the backbone does not have.
    """
    known = network.outline.names
    unknown = [name for name in (*phase.blocks, *phase.block_factors) if name not in known]
    if unknown:
        raise PluginError(f"phase {phase.name}: no block {', '.join(unknown)}; the backbone has {', '.join(known)}")
    block_of = network.block_of
    variables: list[Any] = []
    factors: list[float] = []
    for owner, layer in _leaves(network.model):
        trained = _trained(owner, layer, network, phase)
        # BatchNorm normalises with its moving statistics, in training too, exactly when it is not trainable.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = _statistics_move(owner, network, phase)
        else:
            layer.trainable = bool(trained)
        variables += trained
        factors += [phase.block_factors.get(block_of.get(owner, ""), 1.0)] * len(trained)
    return Prepared(tuple(variables), tuple(factors), *_cut(network, phase))


def _leaves(model: Any, owner: str | None = None) -> Iterator[tuple[str, Any]]:
    """The leaf layers in graph order, each with the name of the flat model's layer that it is or belongs to."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            layer.trainable = True
            yield from _leaves(layer, owner or layer.name)
        else:
            yield owner or layer.name, layer


def _in_play(owner: str, network: Network, phase: Phase) -> bool:
    block = network.block_of.get(owner)
    return block is None or block in phase.blocks


def _statistics_move(owner: str, network: Network, phase: Phase) -> bool:
    """Whether a BatchNormalization layer trains as a whole."""
    return _in_play(owner, network, phase) and (owner not in network.block_of or phase.batch_norm == "train")


def _trained(owner: str, layer: Any, network: Network, phase: Phase) -> list[Any]:
    """The layer's variables that gradients train."""
    if not _in_play(owner, network, phase) or isinstance(layer, keras.layers.Normalization):
        return []
    if isinstance(layer, keras.layers.BatchNormalization):
        if owner in network.block_of and phase.batch_norm == "frozen":
            return []
        return [each for each in (layer.gamma, layer.beta) if each is not None]
    before, layer.trainable = layer.trainable, True
    trained = list(layer.trainable_variables)
    layer.trainable = before
    return trained


def _live(network: Network, phase: Phase) -> list[Any]:
    """The operations that train or stand behind one that does, in graph order."""
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


# The proof --------------------------------------------------------------------------------------------------------


def keyed_variables(model: Any) -> dict[str, Any]:
    """``layer/variable`` → variable, of every variable of a flat model, states of random generators included."""
    found: dict[str, Any] = {}
    for layer in model.layers:
        for variable in layer.variables:
            path = variable.path.split("/", 1)[-1] if "/" in variable.path else variable.path
            key = f"{layer.name}/{path}"
            number = 1
            while key in found:
                number += 1
                key = f"{layer.name}/{path}_{number}"
            found[key] = variable
    return found


def digests(model: Any) -> dict[str, str]:
    """The key of every variable, as in ``keyed_variables``, → SHA-256 of its bytes."""
    return {
        key: hashlib.sha256(keras.ops.convert_to_numpy(variable).tobytes()).hexdigest()
        for key, variable in keyed_variables(model).items()
    }


def expected_changes(network: Network, phase: Phase) -> dict[str, bool]:
    """The key of every variable → whether the phase may change it.

    That is what trains, the moving statistics where BatchNorm trains, and in the live region the states of random
    generators (dropout).
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
    """Compare the digests of every variable from before and after a phase.

    Raises:
        FreezeError: a variable moved that must not; the table is in its ``rows``.
    """
    rows = []
    for key, should in expected_changes(network, phase).items():
        layer, _, variable = key.partition("/")
        rows.append(FreezeRow(layer, variable, should, before[key] != after[key]))
    moved = [f"{row.layer}/{row.variable}" for row in rows if row.changed and not row.should_change]
    if moved:
        more = f" and {len(moved) - 8} more" if len(moved) > 8 else ""
        raise FreezeError(
            f"phase {phase.name}: {len(moved)} frozen variables changed: {', '.join(moved[:8])}{more}. "
            "This is a bug of tlkit or of a plugin; freeze.csv has the whole table",
            rows,
        )
    return tuple(rows)
