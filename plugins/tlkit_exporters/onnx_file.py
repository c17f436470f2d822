"""Running ONNX files by ONNX Runtime: https://onnxruntime.ai."""

from __future__ import annotations

import mmap
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import tlkit
from tlkit_exporters.interface import OUTPUTS, input_type
from tlkit_exporters.messages import first_line

_TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
_INTEGER = (
    *("ConvInteger", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat", "QGemm", "QLinearConv"),
    "QLinearMatMul",
)
_FLOAT = ("Conv", "ConvTranspose", "FusedConv", "FusedGemm", "FusedMatMul", "Gemm", "MatMul")
"""The kernels of ONNX Runtime that multiply."""


def open_onnx(path: Path, threads: int) -> tlkit.ExportedModel:
    """Open a file with ONNX Runtime on the CPU.

    Args:
        path: the file.
        threads: the number of threads that compute an image.

    Raises:
        DataError: ONNX Runtime can't run it, or it has other inputs or outputs.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's error classes are not public
        raise tlkit.DataError(f"{path}: ONNX Runtime can't run it: {first_line(error)}") from error
    given = [(each.name, each.type, len(each.shape)) for each in session.get_inputs()]
    kind = input_type(path, _TYPES, given, {each.name for each in session.get_outputs()})

    def run(images: np.ndarray) -> Mapping[str, np.ndarray]:
        return dict(zip(OUTPUTS, session.run(OUTPUTS, {"images": images.astype(kind, copy=False)}), strict=True))

    return tlkit.ExportedModel(
        run=run,
        metadata=dict(session.get_modelmeta().custom_metadata_map),
        precision=_precision(path, options),
        runtime=f"ONNX Runtime {onnxruntime.__version__}",
    )


def _precision(path: Path, options: Any) -> str:
    """Return in which format the kernels multiply that ONNX Runtime chose for this processor."""
    if not _mentions(path, b"QuantizeLinear"):
        return "float32"
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        graph = onnx.load(options.optimized_model_filepath).graph
    kinds = Counter("int8" if node.op_type in _INTEGER else "float32" for node in graph.node if _multiplies(node))
    if len(kinds) == 2:
        return f"int8; {kinds['float32']} of {kinds.total()} layers float32"
    return next(iter(kinds), "float32")


def _multiplies(node: Any) -> bool:
    return node.op_type in _INTEGER or node.op_type in _FLOAT


def _mentions(path: Path, name: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(name) >= 0
