"""tlkit's own exporters: SavedModel, Keras, LiteRT, ONNX and OpenVINO."""

from __future__ import annotations

from collections.abc import Iterable

import tlkit


@tlkit.hookimpl
def tlkit_exporters() -> Iterable[tlkit.Exporter]:
    """Offer the export formats."""
    return []
