"""``metrics.csv`` and ``times.csv`` of a run folder: the metrics of every epoch and how long it took."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import RunError
from tlkit.files import CellWriter
from tlkit.runs.reading import MAX_SHORT_TABLE_BYTES, read_run_table
from tlkit.system.disk import full_disk_context

NOT_METRICS = ("phase", "epoch", "learning_rate", "seconds")
"""The columns of ``metrics.csv`` that are not metrics; only older files have ``seconds``."""

_MAX_SECONDS = 1e9


@dataclass(frozen=True)
class History:
    """The contents of ``metrics.csv`` and ``times.csv``.

    Args:
        phases: the phase of each epoch.
        epochs: the number of each epoch, counted from 1 over all phases.
        columns: metric → one value per epoch.
        learning_rates: the learning rate of each epoch's last step.
        seconds: how long each epoch took, validation included.
    """

    phases: tuple[str, ...]
    epochs: tuple[int, ...]
    columns: Mapping[str, tuple[float, ...]]
    learning_rates: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def starts(self) -> list[int]:
        """The index of the first epoch of each phase."""
        return [i for i, phase in enumerate(self.phases) if i == 0 or phase != self.phases[i - 1]]

    @property
    def metrics(self) -> list[str]:
        """The metrics without their validation columns, the loss first."""
        names = dict.fromkeys(name.removeprefix("val_") for name in self.columns)
        return sorted(names, key=lambda name: name != "loss")


class HistoryFile:
    """``metrics.csv``, with one row per epoch, on disk as soon as the epoch ends, and ``times.csv`` beside it.

    Times have a file of their own, so that two runs that computed the same have the same ``metrics.csv``.

    Args:
        path: the path of ``metrics.csv``.
        columns: the metrics to write, in order; not needed to read.
    """

    def __init__(self, path: Path, columns: Sequence[str] = ()) -> None:
        self.path = path
        self.times = path.with_name("times.csv")
        self.columns = tuple(columns)

    def begin(self) -> None:
        """Create both files with only their column names."""
        write_rows(self.path, [["phase", "epoch", *self.columns, "learning_rate"]])
        write_rows(self.times, [["phase", "epoch", "seconds"]])

    def add(self, phase: str, epoch: int, row: Mapping[str, float], rate: float, seconds: float) -> None:
        """Append an epoch.

        Args:
            phase: the name of its phase.
            epoch: its number, counted from 1 over all phases.
            row: the value of every column.
            rate: the learning rate of its last step.
            seconds: how long it took.
        """
        values = [repr(row[column]) for column in self.columns]
        write_rows(self.path, [[phase, str(epoch), *values, repr(rate)]], append=True)
        write_rows(self.times, [[phase, str(epoch), f"{seconds:.3f}"]], append=True)

    def read(self) -> History:
        """Read both files.

        Raises:
            RunError: ``metrics.csv`` is missing, or one of them is damaged.
        """
        resume = f"tlkit resume {self.path.parent} writes it again"
        try:
            rows = read_run_table(self.path, MAX_SHORT_TABLE_BYTES)
            seconds = self._read_seconds(rows)
            epochs = tuple(int(row["epoch"]) for row in rows)
            if epochs != tuple(range(1, len(rows) + 1)):
                raise ValueError("the epochs don't count from 1")
            names = [name for name in (rows[0] if rows else ()) if name not in NOT_METRICS]
            return History(
                tuple(row["phase"] for row in rows),
                epochs,
                {name: tuple(float(row[name]) for row in rows) for name in names},
                tuple(float(row["learning_rate"]) for row in rows),
                seconds,
            )
        except FileNotFoundError as error:
            raise RunError(
                f"{self.path}: no such file; the run has not trained, or the file was removed; {resume}"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.path}: not the metrics of a run ({error}); the file is damaged; {resume}") from error

    def _read_seconds(self, rows: Sequence[Mapping[str, str]]) -> tuple[float, ...]:
        """Return the seconds that each epoch took, or 0 if unrecorded; older runs record them in ``metrics.csv``."""
        times: dict[str, float] = {}
        if self.times.is_file():
            times = {row["epoch"]: float(row["seconds"]) for row in read_run_table(self.times, MAX_SHORT_TABLE_BYTES)}
        seconds = tuple(float(row.get("seconds") or times.get(row["epoch"], 0.0)) for row in rows)
        if not all(0 <= each < _MAX_SECONDS for each in seconds):
            raise ValueError(f"expected each epoch to take between 0 and {_MAX_SECONDS:g} seconds")
        return seconds


def read_history(path: Path) -> History:
    """Read ``metrics.csv``, and ``times.csv`` beside it, as ``HistoryFile.read`` does.

    Raises:
        RunError: ``metrics.csv`` is missing, or one of them is damaged.
    """
    return HistoryFile(path).read()


def write_rows(path: Path, rows: Iterable[Sequence[str]], *, append: bool = False) -> None:
    """Write rows to a CSV file, or append them to it, and have them on disk before it returns.

    Raises:
        NoRoomError: the disk is full.
        OSError: the file can't be written for another reason.
    """
    text = io.StringIO(newline="")
    CellWriter(text, "\r\n").writerows(rows)
    mode = "a" if append else "w"
    with full_disk_context(path, len(text.getvalue())), path.open(mode, newline="", encoding="utf-8") as file:
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())
