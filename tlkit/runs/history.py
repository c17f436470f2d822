"""``metrics.csv``, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import RunError
from tlkit.runs.reading import MAX_SHORT_TABLE_BYTES, read_run_table

NOT_METRICS = ("phase", "epoch", "learning_rate", "seconds")
_MOST_SECONDS = 1e9


@dataclass(frozen=True)
class History:
    """``metrics.csv``.

    Args:
        phases: the phase of each epoch.
        epochs: from 1 over all phases.
        columns: metric → a value an epoch.
        learning_rates: a value an epoch.
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


def read_history(path: Path) -> History:
    """Read ``metrics.csv``.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        rows = read_run_table(path, MAX_SHORT_TABLE_BYTES)
        seconds = _seconds(path.with_name("times.csv"), rows)
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
        hint = f"the run has not trained, or it was removed; tlkit resume {path.parent} writes it anew"
        raise RunError(f"{path}: no such file; {hint}") from error
    except (KeyError, TypeError, ValueError) as error:
        hint = f"the file is damaged; tlkit resume {path.parent} writes it anew"
        raise RunError(f"{path}: not the metrics of a run ({error}); {hint}") from error


def _seconds(times: Path, rows: Sequence[Mapping[str, str]]) -> tuple[float, ...]:
    """How long each epoch took, 0 where it isn't written; older runs have it in ``metrics.csv`` itself."""
    found: dict[str, float] = {}
    if times.is_file():
        found = {row["epoch"]: float(row["seconds"]) for row in read_run_table(times, MAX_SHORT_TABLE_BYTES)}
    seconds = tuple(float(row.get("seconds") or found.get(row["epoch"], 0.0)) for row in rows)
    if not all(0 <= each < _MOST_SECONDS for each in seconds):
        raise ValueError("an epoch took no time that can be")
    return seconds
