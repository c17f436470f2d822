"""Sections that plugins add to report.html."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReportSection:
    """A section that a plugin adds to ``report.html``.

    Args:
        title: its heading; sections stand in the order of their titles, after the core's own.
        text: plain text; it is escaped.
        image: a PNG file below the run folder, or None.
    """

    title: str
    text: str
    image: Path | None = None
