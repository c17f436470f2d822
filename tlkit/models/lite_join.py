"""Join two LiteRT files, a frozen part and the head on its features, to the file of the whole model.

Both stand already converted, or are converted in no time, where converting the whole model takes as long as the frozen
part did. The schema: https://github.com/google-ai-edge/LiteRT/blob/main/tflite/schema/schema.fbs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_IDENTIFIER = b"TFL3"


def joined(frozen: bytes, head: bytes) -> bytes:
    """Return a LiteRT file that gives the head the outputs of the frozen part.

    Args:
        frozen: the file of the frozen part, as ``convert_to_litert`` makes it.
        head: the file of the head, whose inputs are the outputs of the frozen part, in their order.

    Raises:
        ValueError: the head has other inputs than the frozen part has outputs.
    """
    whole, added = _parsed(frozen), _parsed(head)
    graph, rest = whole.subgraphs[0], added.subgraphs[0]
    given, taken = _in_order(whole, "output"), _in_order(added, "input")
    shapes = [[list(each.tensors[at].shape) for at in places] for each, places in ((graph, given), (rest, taken))]
    if shapes[0] != shapes[1]:
        raise ValueError(f"the head takes {shapes[1]}; expected {shapes[0]}")
    first = {"buffer": len(whole.buffers), "code": len(whole.operatorCodes), "tensor": len(graph.tensors)}
    kept = [number for number in range(len(rest.tensors)) if number not in taken]
    places = dict(zip(taken, given, strict=True))
    places |= {number: first["tensor"] + place for place, number in enumerate(kept)}
    whole.buffers += added.buffers
    whole.operatorCodes += added.operatorCodes
    for number in kept:
        tensor = rest.tensors[number]
        tensor.buffer += first["buffer"]
        graph.tensors.append(tensor)
    for operator in rest.operators:
        operator.opcodeIndex += first["code"]
        operator.inputs = _moved(operator.inputs, places)
        operator.outputs = _moved(operator.outputs, places)
        graph.operators.append(operator)
    graph.outputs = _moved(_in_order(added, "output"), places)
    whole.signatureDefs = None
    builder = flatbuffers.Builder(len(frozen) + len(head) + 1024)
    builder.Finish(whole.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def _parsed(content: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def _in_order(model: Any, which: Literal["input", "output"]) -> list[int]:
    """Return the tensors that a model takes or gives, in the order of the Keras model's.

    What was converted with its weights as variables has them in any order, and a signature with their names.
    """
    if not model.signatureDefs:
        graph = model.subgraphs[0]
        return [int(place) for place in (graph.inputs if which == "input" else graph.outputs)]
    [signature] = model.signatureDefs
    named = signature.inputs if which == "input" else signature.outputs
    places = {each.name.decode(): int(each.tensorIndex) for each in named}
    return [places[f"{which}_{number}"] for number in range(len(places))]


def _moved(numbers: Any, places: Mapping[int, int]) -> np.ndarray:
    """Return the new numbers of tensors; -1 is an input that is left out."""
    return np.array([-1 if number == -1 else places[int(number)] for number in numbers], np.int32)
