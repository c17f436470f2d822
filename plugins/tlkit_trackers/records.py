"""What trackers record, read from the files of the run folder: they, not the tracker, are the record of a run."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NO_METRICS = ("phase", "epoch")


@dataclass(frozen=True)
class Epoch:
    """A row of ``metrics.csv``.

    Args:
        number: the number of the epoch, from 1 over all phases.
        phase: the name of its phase.
        values: column → number; those that are not finite are left out.
        seconds: how long it took, from ``times.csv``; 0 if that is not known.
    """

    number: int
    phase: str
    values: Mapping[str, float]
    seconds: float


def epochs(run: Path) -> list[Epoch]:
    """Return the epochs of a run so far."""
    seconds = {row.get("epoch"): _number(row.get("seconds")) for row in _rows(run / "times.csv")}
    return [
        Epoch(
            int(row["epoch"]),
            row["phase"],
            _numbers(row),
            max(0.0, seconds.get(row["epoch"]) or 0.0),
        )
        for row in _rows(run / "metrics.csv")
    ]


def _rows(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _numbers(row: Mapping[str, str]) -> dict[str, float]:
    found = {name: _number(text) for name, text in row.items() if name not in _NO_METRICS}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def final_metrics(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the final metrics that are a single number, as ``test/accuracy``."""
    for split, of in metrics.items():
        for name, value in of.items() if isinstance(of, Mapping) else ():
            if isinstance(value, float) and math.isfinite(value):
                yield f"{split}/{name}", value


def parameters(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Return the recipe, flattened: ``head.dropout`` → its value as JSON or text; a home folder becomes ``~``."""
    return {key: _shown(value) for key, value in _flat(recipe) if value is not None}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def pictures(run: Path) -> list[Path]:
    """Return the pictures of a run, by name."""
    return sorted(file for file in (run / "pictures").glob("*.png") if file.is_file() and not file.is_symlink())
