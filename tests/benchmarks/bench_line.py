"""A line of the table of benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Ratios = tuple[float, float]
"""The ratio of the seconds, and that of the processor's seconds."""


@dataclass(frozen=True)
class Goal:
    """The value to reach."""

    sign: Literal["≤", "≥"]
    value: float

    def met(self, value: float) -> bool:
        """Return whether a figure is as good as the goal."""
        return value <= self.value if self.sign == "≤" else value >= self.value


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Args:
        what: what was compared.
        value: the measured ratio.
        goal: the goal; None for a figure that explains another.
        shown: the figures that it was computed from, as text.
        old: the same work over that of the older build; None if it was not measured.
        keras: the same work over that of Keras or TensorFlow; None if it was not measured.
        raw: the results of the measurements.
    """

    what: str
    value: float
    goal: Goal | None = None
    shown: str = ""
    old: Ratios | None = None
    keras: Ratios | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
