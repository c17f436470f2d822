"""Sections that plugins add to ``report.html``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReportSection:
    """A section that a plugin adds to ``report.html``.

    Args:
        title: heading; sections follow the core's own, sorted by title.
        text: plain text; HTML in it is escaped.
        image: a PNG file in the run folder; None for no image.
    """

    title: str
    text: str
    image: Path | None = None
