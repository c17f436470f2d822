"""The record of the format ONNX. Imports nothing heavy."""

from __future__ import annotations

import tlkit

SNIPPET = """\
import onnxruntime

session = onnxruntime.InferenceSession(FILE, providers=["CPUExecutionProvider"])
(probabilities,) = session.run(["probabilities"], {"images": images})
metadata = session.get_modelmeta().custom_metadata_map
"""
ONNX = tlkit.Exporter(
    name="onnx",
    summary="ONNX: one file for ONNX Runtime and many other programs",
    options=tlkit.Options,
    suffix=".onnx",
    quantizations=("float16", "int8", "int16x8"),
    writes_with=("onnx", "onnxruntime", "tf2onnx"),
    runs_with=("onnx", "onnxruntime"),
    extra="tlkit[onnx]",
    write=tlkit.lazy("tlkit_exporters.onnx_export:write_onnx"),
    open=tlkit.lazy("tlkit_exporters.onnx_file:open_onnx"),
    check=tlkit.lazy("tlkit_exporters.onnx_check:check_onnx"),
    snippet=SNIPPET,
)
