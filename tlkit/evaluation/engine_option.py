"""Which engine a user wants for ``predict`` and ``evaluate``."""

from __future__ import annotations

from typing import Literal

EngineOption = Literal["auto", "litert", "openvino", "tensorflow"]
