"""The parts of a LiteRT file's graph, as checked objects. Imports no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlkit.models.allowed import NotAllowed

Shape = tuple[int, ...]
CONSTANT_TYPES = {0: np.dtype("<f4"), 2: np.dtype("<i4")}
"""The types that tensors of our own files may have, by their numbers in the schema: float32, and int32 for sizes."""
TYPES = {**CONSTANT_TYPES, **{number: np.dtype(name) for number, name in ((1, "<f2"), (3, "u1"), (4, "<i8"))}}
TYPES |= {7: np.dtype("<i2"), 9: np.dtype("i1")}
"""Those that tensors of exported files may have, besides: float16, uint8, int64, int16 and int8."""
_FLOAT32, _INT32 = CONSTANT_TYPES
_ACTIVATIONS = range(4)


@dataclass(frozen=True)
class Tensor:
    """A tensor of a graph.

    Args:
        shape: its shape, without unknown sizes.
        type: the number of its type in the schema.
        data: for a constant, its values, of that type (n,); else None.
        value: what it is computed to be, (n,), where that follows from shapes alone; else None.
        constant: whether it always has the same values.
        scales: the scales that it is quantized with; empty for none.
    """

    shape: Shape
    type: int
    data: np.ndarray | None
    value: np.ndarray | None = None
    constant: bool = False
    scales: tuple[float, ...] = ()

    @property
    def bytes(self) -> int:
        """Its size in memory."""
        return math.prod(self.shape) * TYPES[self.type].itemsize


@dataclass(frozen=True)
class Rule:
    """What is known about a kind of operation.

    Args:
        shapes: returns the shapes of the outputs that the runtime will compute.
        options: the class of its options in the schema; empty for none.
        version: the highest version of it that is allowed.
        inputs: the smallest and largest number of inputs.
        constants: the positions of the inputs that are constants of int32.
        weights: the positions of the inputs that are constants of float32, if they are there.
    """

    shapes: Callable[[Operation], list[Shape]]
    options: str = ""
    version: int = 1
    inputs: tuple[int, int] = (1, 1)
    constants: tuple[int, ...] = ()
    weights: tuple[int, ...] = ()


@dataclass(frozen=True)
class Operation:
    """An operation of a graph.

    Args:
        kind: its name in the schema.
        number: its place in the file.
        rule: what is known about its kind.
        inputs: the tensors that it reads; None for one that is left out.
        outputs: the tensors that it computes.
        options: its options as an object of the schema; None where the file has none.
        reads: the numbers of the inputs, -1 for one that is left out.
        writes: the numbers of the outputs.
    """

    kind: str
    number: int
    rule: Rule
    inputs: Sequence[Tensor | None]
    outputs: Sequence[Tensor]
    options: Any
    reads: list[int]
    writes: list[int]

    @property
    def unpacks(self) -> bool:
        """Whether it only converts a constant of a file with small numbers."""
        first = self.inputs[0] if self.inputs else None
        return self.kind == "DEQUANTIZE" and first is not None and first.data is not None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"operation {self.number} ({self.kind})"

    def check(self, check_types: Callable[[Operation], None] | None = None) -> None:
        """Check the types of its tensors, and the shapes of its outputs.

        Args:
            check_types: what checks the types; None if all must be float32, but for int32 where the rule says so.

        Raises:
            NotAllowed: they don't fit it.
        """
        least, most = self.rule.inputs
        if not least <= len(self.inputs) <= most:
            raise NotAllowed(f"{self.name} has {len(self.inputs)} inputs; expected {least} to {most}")
        if any(tensor is None for tensor in self.inputs[:least]):
            raise NotAllowed(f"{self.name} lacks an input")
        (check_types or Operation._check_types)(self)
        activation = getattr(self.options, "FusedActivationFunction", lambda: 0)()
        if activation not in _ACTIVATIONS:
            raise NotAllowed(f"{self.name} has no known activation")
        try:
            expected = self.rule.shapes(self)
        except (ValueError, IndexError, TypeError, AttributeError, ArithmeticError, AssertionError) as error:
            raise NotAllowed(f"{self.name} has inputs or options that don't fit it") from error
        found = [tensor.shape for tensor in self.outputs]
        if found != expected:
            raise NotAllowed(f"{self.name} computes {expected}, and {found} is written in the file")

    def _check_types(self) -> None:
        for position, tensor in enumerate(self.inputs):
            if tensor is not None:
                self._check_input(position, tensor)
        if any(tensor.type != _FLOAT32 or tensor.data is not None for tensor in self.outputs):
            raise NotAllowed(f"{self.name} computes something else than float32")

    def _check_input(self, position: int, tensor: Tensor) -> None:
        expected = _INT32 if position in self.rule.constants else _FLOAT32
        constant = position in (*self.rule.constants, *self.rule.weights)
        if tensor.type != expected or (constant and tensor.data is None):
            raise NotAllowed(f"{self.name} has an input of another type, or one that is not a constant")

    def shape(self, position: int, rank: int | None = None) -> Shape:
        """Return the shape of an input.

        Raises:
            ValueError: it has another rank.
        """
        tensor = self.inputs[position]
        assert tensor is not None
        if rank is not None and len(tensor.shape) != rank:
            raise ValueError(rank)
        return tensor.shape

    def numbers(self, position: int) -> list[int]:
        """Return the values of a constant of int32, or what follows from shapes."""
        tensor = self.inputs[position]
        assert tensor is not None
        values = tensor.value if tensor.data is None else tensor.data
        assert values is not None
        return [int(value) for value in values]


@dataclass(frozen=True)
class Form:
    """What a file may have; the defaults are for our own files of a network for one image.

    Args:
        rules: the operations, by name.
        types: the types of tensors, by their numbers in the schema.
        outputs: the names of its outputs, given their number.
        form: checks what a tensor of the schema has besides a shape and a type, and returns its scales.
        operation: checks the types of an operation's tensors; None if they are float32.
        value: returns the values that an operation computes from shapes; None for another operation.
    """

    rules: Mapping[str, Rule]
    types: Mapping[int, np.dtype]
    outputs: Callable[[int], set[bytes]]
    form: Callable[[Any, str], tuple[float, ...]]
    operation: Callable[[Operation], None] | None = None
    value: Callable[[Operation], np.ndarray | None] = lambda _operation: None


def check_order(
    operations: Sequence[Operation], tensors: Sequence[Tensor], inputs: list[int], outputs: list[int]
) -> None:
    """Check that each tensor is an input, a constant, or the output of one earlier operation."""
    known = {index for index, tensor in enumerate(tensors) if tensor.data is not None}
    if len(set(inputs)) != len(inputs):
        raise NotAllowed("an input is named twice")
    known |= set(inputs)
    for each in operations:
        if not all(index in known for index in each.reads if index != -1):
            raise NotAllowed(f"{each.name} reads a tensor before it is computed")
        for index in each.writes:
            if index in known:
                raise NotAllowed(f"{each.name} writes a tensor that has a value")
            known.add(index)
    if not set(outputs) <= known:
        raise NotAllowed("an output is never computed")
