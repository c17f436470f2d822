"""The record of LiteRT. Importing it imports nothing heavy."""

from __future__ import annotations

import tlkit

LITERT = tlkit.Exporter(
    name="litert",
    summary="LiteRT, formerly TensorFlow Lite: phones, boards, and the quickest on a processor",
    options=tlkit.Options,
    suffix=".tflite",
    quantizations=("float16", "dynamic", "int8", "int16x8"),
    writes_with=("ai_edge_litert", "flatbuffers"),
    runs_with=("ai_edge_litert",),
    extra="ai-edge-litert",
    write=tlkit.lazy("tlkit_exporters.litert_write:write"),
    open=tlkit.lazy("tlkit_exporters.litert_open:open_file"),
    check=tlkit.lazy("tlkit_exporters.litert_open:check"),
    snippet="""\
import json
from pathlib import Path
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

content = Path(FILE).read_bytes()
predict = Interpreter(model_content=content).get_signature_runner("serving_default")
probabilities = predict(images=images)["probabilities"]
model = schema.Model.GetRootAs(content, 0)
entries = [model.Metadata(number) for number in range(model.MetadataLength())]
texts = next(model.Buffers(entry.Buffer()) for entry in entries if entry.Name() == b"tlkit")
metadata = json.loads(texts.DataAsNumpy().tobytes())
""",
)
