"""``freeze.csv``: the proof, phase by phase, that frozen weights stayed frozen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tlkit.models.freeze import FreezeRow
from tlkit.runs.history import write_rows


class FreezeFile:
    """``freeze.csv``: one row per phase and variable, with whether it may change and whether it did.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> None:
        """Create the file with only its column names."""
        write_rows(self.path, [["phase", "layer", "variable", "should_change", "changed"]])

    def add(self, phase: str, rows: Iterable[FreezeRow]) -> None:
        """Append the rows of a phase."""
        lines = ([phase, row.layer, row.variable, _yes(row.should_change), _yes(row.changed)] for row in rows)
        write_rows(self.path, lines, append=True)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
