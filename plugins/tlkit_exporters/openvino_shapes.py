"""The values in a graph of OpenVINO's that decide about shapes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tlkit_exporters.messages import NotAllowedError

_LONGEST = 300
"""Limit for the characters of a shape: the product of millions of numbers takes minutes."""
_LIMIT = 4096
"""Limit for the numbers of such a value; shapes and their parts have less than ten."""
_PORTS = {
    "Broadcast": (1, 2),
    "ConvolutionBackpropData": (2,),
    "GroupConvolutionBackpropData": (2,),
    "Gather": (2,),
    "BatchToSpace": (1, 2, 3),
    "SpaceToBatch": (1, 2, 3),
    "Interpolate": (1, 2, 3),
    "MVN": (1,),
    "LRN": (1,),
    "Pad": (1, 2),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "ReduceSum": (1,),
    "Reshape": (1,),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "StridedSlice": (1, 2, 3),
    "Tile": (1,),
    "Transpose": (1,),
    "Unsqueeze": (1,),
    "VariadicSplit": (1, 2),
}
"""Operation → its inputs that decide about the shape of its result."""


class ShapeValues:
    """The values that decide about shapes.

    OpenVINO computes them when it reads a graph, before anything can be known about their sizes.

    Args:
        layers: the elements of the operations.
        edges: the elements of the connections.
    """

    def __init__(self, layers: Iterable[Any], edges: Iterable[Any]) -> None:
        self._layers = {layer.get("id"): layer for layer in layers}
        self._given: dict[Any, list[tuple[int, Any]]] = {}
        for edge in edges:
            port = edge.get("to-port", "")
            if not port.isdecimal() or not {edge.get("to-layer"), edge.get("from-layer")} <= self._layers.keys():
                raise NotAllowedError("it has a connection that leads nowhere")
            self._given.setdefault(edge.get("to-layer"), []).append((int(port), edge.get("from-layer")))
        self._sizes: dict[Any, int] = {}

    def check(self) -> None:
        """Check that each of them is small and does not depend on the image.

        Raises:
            NotAllowedError: one is not.
        """
        for name, layer in self._layers.items():
            ports = _PORTS.get(layer.get("type"), ())
            for port, source in self._given.get(name, ()):
                if port in ports:
                    self._measure(source)

    def _measure(self, start: Any) -> None:
        """Compute an upper limit for the numbers of a value and of all that it is computed from."""
        pending = [(start, False)]
        begun = set()
        while pending:
            name, ready = pending.pop()
            if name in self._sizes:
                continue
            kind = self._layers[name].get("type")
            sources = [] if kind == "ShapeOf" else [source for _, source in self._given.get(name, ())]
            if ready or not sources:
                size = self._sizes[name] = self._size(name, kind, sources)
                if size > _LIMIT:
                    raise NotAllowedError(f"the shape that {kind} computes has up to {size:,} numbers")
                continue
            if name in begun:
                raise NotAllowedError("its operations form a circle")
            begun.add(name)
            pending.append((name, True))
            pending.extend((source, False) for source in sources)

    def _size(self, name: Any, kind: str, sources: list[Any]) -> int:
        if kind == "ShapeOf":
            return 8
        if kind == "Const":
            return math.prod(sizes_of(self._layers[name].find("data")))
        if kind in ("Broadcast", "Interpolate", "Pad", "Parameter", "Tile"):
            raise NotAllowedError(f"a shape depends on the operation {kind}")
        sizes = [self._sizes[source] for source in sources]
        return sum(sizes) if kind == "Concat" else math.prod(max(size, 1) for size in sizes)


def sizes_of(data: Any) -> list[int]:
    """Return the shape of a constant.

    Args:
        data: the element that says it.

    Raises:
        NotAllowedError: it is too long.
        ValueError: it is not of numbers.
    """
    text = data.get("shape", "")
    if len(text) > _LONGEST:
        raise NotAllowedError(f"the shape of a constant has {len(text):,} characters; expected at most {_LONGEST}")
    return [int(each) for each in text.split(",") if each]
