"""Run a LiteRT file by ai-edge-litert, which needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import tlkit
from tlkit_exporters import texts
from tlkit_exporters.litert_file import ENTRY
from tlkit_exporters.messages import first_line


def check(path: Path) -> None:
    """Raise a DataError if running the file could do more than compute, or take too much memory."""
    tlkit.check_litert_file(path)


def open_file(path: Path, threads: int) -> tlkit.ExportedModel:
    """Open a file."""
    content = path.read_bytes()
    try:
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
        runner = interpreter.get_signature_runner("serving_default")
        given, named = runner.get_input_details()["images"], runner.get_output_details()
        places = {name: named[name]["index"] for name in ("logits", "probabilities")}
    except (ValueError, RuntimeError, KeyError) as error:
        raise tlkit.DataError(f"{path}: LiteRT can't run it: {first_line(error)}") from error

    def run(images: np.ndarray) -> Mapping[str, np.ndarray]:
        # One at a time: the feature maps stay in the processor's caches, and no result depends on other images.
        found: dict[str, list[np.ndarray]] = {name: [] for name in places}
        for image in images:
            interpreter.set_tensor(given["index"], image[None].astype(given["dtype"], copy=False))
            interpreter.invoke()
            for name, place in places.items():
                found[name].append(interpreter.get_tensor(place))
        return {name: np.concatenate(values) for name, values in found.items()}

    model = schema.Model.GetRootAs(content, 0)
    return tlkit.ExportedModel(run, _texts(model, path), _precision(model), f"LiteRT {version('ai-edge-litert')}")


def _texts(model: Any, path: Path) -> Mapping[str, str]:
    """Return the texts inside a file."""
    entries = [model.Metadata(number) for number in range(model.MetadataLength())]
    place = next((each.Buffer() for each in entries if each.Name() == ENTRY.encode()), None)
    return texts.checked(None if place is None else model.Buffers(place).DataAsNumpy().tobytes(), path)


_MULTIPLYING = {
    getattr(schema.BuiltinOperator, name)
    for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL")
}
_PRECISIONS = {
    ("FLOAT32", "FLOAT32"): "float32",
    ("FLOAT32", "INT8"): "int8, ranges measured in each image",
    ("INT8", "INT8"): "int8",
    ("INT16", "INT8"): "int16 x int8",
}


def _precision(model: Any) -> str:
    """Return the types that the operations with weights multiply."""
    graph = model.Subgraphs(0)
    types = {number: name for name, number in vars(schema.TensorType).items() if not name.startswith("_")}
    found = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        if code.BuiltinCode() in _MULTIPLYING:
            transposed = code.BuiltinCode() == schema.BuiltinOperator.TRANSPOSE_CONV
            reads = (2, 1) if transposed else (0, 1)
            first, second = (types[graph.Tensors(operator.Inputs(at)).Type()] for at in reads)
            name = _PRECISIONS.get((first, second), f"{first} x {second}".lower())
            if name not in found:
                found.append(name)
    return " and ".join(found) or "float32"
