"""tlkit's own exporters: SavedModel, Keras, LiteRT, ONNX and OpenVINO."""

from __future__ import annotations

from collections.abc import Iterable

import tlkit
from tlkit_exporters.onnx_record import ONNX
from tlkit_exporters.openvino_record import OPENVINO


@tlkit.hookimpl
def tlkit_exporters() -> Iterable[tlkit.Exporter]:
    """Offer the export formats."""
    return [
        ONNX,
        OPENVINO,
    ]
