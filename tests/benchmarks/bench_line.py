"""A line of the table of benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


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
        value: the measured figure.
        goal: the goal; None for a figure that explains another.
        unit: the unit of the figure; empty for a ratio.
        shown: the figures that it was computed from, as text.
        raw: the results of the measurements.
    """

    what: str
    value: float
    goal: Goal | None = None
    unit: str = ""
    shown: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)
