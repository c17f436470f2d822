"""The results of a cross-validation: metrics, predictions, a report, and the card of the folds' models together."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.errors import RunError
from tlkit.files import CellWriter
from tlkit.report.fold_metrics import FoldMetrics, fold_metrics
from tlkit.runs.checksums import OF_FOLDS, add_checksums, remove_checksums
from tlkit.runs.folds import FoldsFolder, difference
from tlkit.runs.reading import read_run_table
from tlkit.system.disk import write_atomically
from tlkit.system.tensorflow import start_tensorflow

if TYPE_CHECKING:
    from rich.table import Table

_SPLITS = ("validation", "test")


@dataclass(frozen=True)
class FoldsResult:
    """What a cross-validation returns.

    Args:
        folder: the folder, with one run folder per fold, ``folds.json``, ``report.html``, ``model.json`` and, for
            classification, ``predictions.csv``.
        splits: ``validation``, and ``test`` if there are test images → the metrics of the folds.
        counts: split → number of images; of the validation images of all folds together.
        apart: what keeps the models of the folds from being used together, such as ``value_range``; None if nothing
            does, and ``model.json`` is written.
    """

    folder: Path
    splits: Mapping[str, FoldMetrics]
    counts: Mapping[str, int]
    apart: str | None = None

    def tables(self) -> list[Table]:
        """Return the metrics of each split as a table for the console, with one row per fold."""
        return [_table(split, metrics) for split, metrics in self.splits.items()]


def _table(title: str, metrics: FoldMetrics) -> Table:
    from rich.table import Table

    table = Table(title=title)
    table.add_column("fold")
    for name in metrics.mean:
        table.add_column(name, justify="right")
    for number, fold in enumerate(metrics.folds, 1):
        table.add_row(str(number), *(f"{fold[name]:.4f}" for name in metrics.mean))
    table.add_section()
    table.add_row("mean", *(f"{value:.4f}" for value in metrics.mean.values()))
    table.add_row("standard deviation", *(f"{value:.4f}" for value in metrics.deviation.values()))
    return table


def write_results(path: Path) -> FoldsResult:
    """Collect the results of all folds, and write the files of ``FoldsResult.folder``.

    Args:
        path: the folder of the cross-validation.

    Raises:
        RunError: a fold has not finished, or a file of it is missing or damaged.
    """
    folder = FoldsFolder(path)
    start_tensorflow()
    from tlkit.report.folds_page import folds_page

    folds = folder.folds()
    metrics = [fold.read_json(fold.metrics) for fold in folds]
    if not folds or any("validation" not in each for each in metrics):
        raise RunError(f"{path}: has no folds with metrics of validation images; expected those of tlkit run --folds")
    splits = {split: fold_metrics([each[split] for each in metrics]) for split in _SPLITS if split in metrics[0]}
    counts = _counts(folder)
    values: dict[str, Any] = splits["validation"].as_json()
    values |= {split: metrics.as_json() for split, metrics in splits.items() if split != "validation"}
    remove_checksums(path, OF_FOLDS)
    write_atomically(folder.results, json.dumps(values, indent=2) + "\n")
    _write_predictions(folder)
    add_checksums(path, OF_FOLDS)
    cards = [fold.read_card() for fold in folds]
    apart = next((name for each in cards if (name := difference(cards[0], each))), None)
    card = cards[0] if apart else cards[0].model_copy(update={"folds": tuple(fold.path.name for fold in folds)})
    together = folder.together
    if apart is None:
        together.write_card(card.model_dump(mode="json"))
    write_atomically(together.report, folds_page(folder, card, splits, counts))
    return FoldsResult(path, splits, counts, apart)


def _counts(folder: FoldsFolder) -> dict[str, int]:
    """Count the images that validate in one of the folds, and the test images."""
    sides = Counter(row.get("split", "") for row in read_run_table(folder.splits(1)) if row.get("status") == "used")
    return {"validation": sides["train"] + sides["validation"], "test": sides["test"]}


def _write_predictions(folder: FoldsFolder) -> None:
    """Join the predictions of the validation images of all folds; only classification has any."""
    text = io.StringIO(newline="")
    writer: CellWriter | None = None
    for number, fold in enumerate(folder.folds(), 1):
        predictions = fold.path / "predictions.csv"
        for row in read_run_table(predictions) if predictions.is_file() else ():
            if row.pop("split") == "validation":
                if writer is None:
                    writer = CellWriter(text, "\r\n")
                    writer.writerow(["fold", *row])
                writer.writerow([number, *row.values()])
    if writer is not None:
        write_atomically(folder.predictions, text.getvalue().encode())
