"""``metrics.csv``, ``times.csv`` and ``freeze.csv`` of a run folder."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tlkit.models.freeze import FreezeRow
from tlkit.system.disk import full_disk_context


class HistoryFile:
    """``metrics.csv``: a row an epoch, on disk when the epoch ends; beside it ``times.csv``.

    How long an epoch took is in a file of its own, so that two runs that computed the same have the same metrics.csv.

    Args:
        path: of ``metrics.csv``.
        times: of ``times.csv``.
        columns: the metrics, in order.
    """

    def __init__(self, path: Path, times: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.times = times
        self.columns = list(columns)

    def begin(self) -> None:
        """Begin both files anew."""
        _append(self.path, [["phase", "epoch", *self.columns, "learning_rate"]], mode="w")
        _append(self.times, [["phase", "epoch", "seconds"]], mode="w")

    def add(self, phase: str, epoch: int, row: Mapping[str, float], rate: float, seconds: float) -> None:
        """Append an epoch; ``epoch`` counts from 1 over all phases."""
        values = [repr(row[column]) for column in self.columns]
        _append(self.path, [[phase, str(epoch), *values, repr(rate)]])
        _append(self.times, [[phase, str(epoch), f"{seconds:.3f}"]])


class FreezeFile:
    """``freeze.csv``: for each phase and variable whether it should change and whether it did."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> None:
        """Begin the file anew."""
        _append(self.path, [["phase", "layer", "variable", "should_change", "changed"]], mode="w")

    def add(self, phase: str, rows: Iterable[FreezeRow]) -> None:
        """Append a phase's table."""
        _append(
            self.path,
            [[phase, row.layer, row.variable, _yes(row.should_change), _yes(row.changed)] for row in rows],
        )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _append(path: Path, rows: Iterable[Sequence[str]], mode: str = "a") -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    with full_disk_context(path, len(text.getvalue())), path.open(mode, newline="", encoding="utf-8") as file:
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())
