"""``metrics.csv`` and ``freeze.csv`` of a run folder."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tlkit.models.freeze import FreezeRow


class HistoryFile:
    """``metrics.csv``: a row an epoch, on disk when the epoch ends.

    Args:
        path: of the file; it is begun anew.
        columns: the metrics, in order.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = list(columns)
        _append(path, [["phase", "epoch", *self.columns, "learning_rate", "seconds"]], mode="w")

    def add(self, phase: str, epoch: int, row: Mapping[str, float], rate: float, seconds: float) -> None:
        """Append an epoch; ``epoch`` counts from 1 over all phases."""
        values = [repr(row[column]) for column in self.columns]
        _append(self.path, [[phase, str(epoch), *values, repr(rate), f"{seconds:.3f}"]])


class FreezeFile:
    """``freeze.csv``: for each phase and variable whether it should change and whether it did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _append(path, [["phase", "layer", "variable", "should_change", "changed"]], mode="w")

    def add(self, phase: str, rows: Iterable[FreezeRow]) -> None:
        """Append a phase's table."""
        _append(
            self.path,
            [[phase, row.layer, row.variable, _yes(row.should_change), _yes(row.changed)] for row in rows],
        )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _append(path: Path, rows: Iterable[Sequence[str]], mode: str = "a") -> None:
    with path.open(mode, newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
        file.flush()
        os.fsync(file.fileno())
