"""tlkit's own exporters: SavedModel, Keras, LiteRT, ONNX and OpenVINO."""

from __future__ import annotations

import tlkit
from tlkit_exporters.litert import LITERT
from tlkit_exporters.onnx_record import ONNX
from tlkit_exporters.openvino_record import OPENVINO
from tlkit_exporters.tensorflow_formats import KERAS, SAVEDMODEL

_EXPORTERS = (
    SAVEDMODEL,
    KERAS,
    LITERT,
    ONNX,
    OPENVINO,
)


@tlkit.hookimpl
def tlkit_exporters() -> tuple[tlkit.Exporter, ...]:
    """Offer the export formats."""
    return _EXPORTERS
