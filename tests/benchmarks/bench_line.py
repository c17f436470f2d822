"""A line of the benchmarks' table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Goal:
    """What is aimed at."""

    sign: Literal["≤", "≥"]
    value: float

    def met(self, value: float) -> bool:
        """Whether a figure is as good as the goal."""
        return value <= self.value if self.sign == "≤" else value >= self.value


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Args:
        what: was compared.
        value: the figure that was seen.
        goal: None for a figure that explains another.
        unit: of the figure; empty for a ratio.
        shown: the figures that it was made of, in words.
        raw: what the measurements returned.
    """

    what: str
    value: float
    goal: Goal | None = None
    unit: str = ""
    shown: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)
