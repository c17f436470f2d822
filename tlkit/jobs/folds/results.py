"""The results of a cross-validation: the metrics of all folds, and the predictions of all images."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.runs.folder import RunFolder
from tlkit.runs.reading import read_run_table
from tlkit.system.disk import write_atomically

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class FoldsResult:
    """What a cross-validation returns.

    Args:
        folder: the folder, with one run folder per fold, ``folds.json`` and, for classification, ``predictions.csv``.
        folds: the validation metrics of each fold.
        mean: metric → mean over the folds.
        deviation: metric → sample standard deviation (n - 1) over the folds.
    """

    folder: Path
    folds: tuple[Mapping[str, float], ...]
    mean: Mapping[str, float]
    deviation: Mapping[str, float]

    def table(self) -> Table:
        """Return the metrics as a table for the console, with one row per fold."""
        from rich.table import Table

        table = Table(title="validation")
        table.add_column("fold")
        for name in self.mean:
            table.add_column(name, justify="right")
        for number, fold in enumerate(self.folds, 1):
            table.add_row(str(number), *(f"{fold[name]:.4f}" for name in self.mean))
        table.add_section()
        table.add_row("mean", *(f"{value:.4f}" for value in self.mean.values()))
        table.add_row("standard deviation", *(f"{value:.4f}" for value in self.deviation.values()))
        return table


def write_results(folder: Path, count: int) -> FoldsResult:
    """Collect the results of all folds, and write ``folds.json`` and, for classification, ``predictions.csv``.

    Args:
        folder: the folder of the cross-validation.
        count: the number of folds, all finished.

    Raises:
        RunError: a file of a fold is missing or damaged.
    """
    folds = []
    table = io.StringIO(newline="")
    writer: Any = None
    for number in range(1, count + 1):
        run = RunFolder(folder / f"fold-{number}")
        validation = run.read_json(run.metrics)["validation"]
        folds.append({name: value for name, value in validation.items() if isinstance(value, float)})
        predictions = run.path / "predictions.csv"  # only for classification
        for row in read_run_table(predictions) if predictions.is_file() else ():
            if row.pop("split") == "validation":
                if writer is None:
                    writer = csv.DictWriter(table, ["fold", *row])
                    writer.writeheader()
                writer.writerow({"fold": number, **row})
    names = [name for name in folds[0] if all(name in each for each in folds)]
    mean = {name: statistics.fmean(each[name] for each in folds) for name in names}
    deviation = {name: statistics.stdev(each[name] for each in folds) for name in names}
    values = {"folds": folds, "mean": mean, "standard_deviation": deviation}
    write_atomically(folder / "folds.json", json.dumps(values, indent=2) + "\n")
    if writer is not None:
        write_atomically(folder / "predictions.csv", table.getvalue().encode())
    return FoldsResult(folder, tuple(folds), mean, deviation)
