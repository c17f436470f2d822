"""``report.html`` of a cross-validation: the metrics of all folds, their curves, and where each fold's report is."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from tlkit.errors import RunError
from tlkit.report.by_task import task_report
from tlkit.report.compared_runs import open_runs
from tlkit.report.comparison import chosen_metrics
from tlkit.report.confusion_matrix import confusion_matrix
from tlkit.report.fold_metrics import FoldMetrics
from tlkit.report.html_page import embedded, render_page
from tlkit.report.learning_curves import Curve, compared_curves
from tlkit.report.task_pages import ClassTable
from tlkit.runs.card import Card
from tlkit.runs.folds import FoldsFolder
from tlkit.runs.reading import MAX_SHORT_TABLE_BYTES, read_run_file, read_run_table


def folds_page(folder: FoldsFolder, card: Card, splits: Mapping[str, FoldMetrics], counts: Mapping[str, int]) -> str:
    """Return the HTML of the report of a cross-validation.

    Args:
        folder: the folder, with all folds finished.
        card: the card of the folds' models.
        splits: split → the metrics of the folds.
        counts: split → number of images; of the validation images of all folds together.

    Raises:
        RunError: a file of a fold is missing or damaged.
    """
    folds = folder.folds()
    metrics = [fold.read_json(fold.metrics) for fold in folds]
    table = task_report(card).pages.class_table
    pictures = {"curves": ("Learning curves of the folds", _curves(folder))}
    if folder.predictions.is_file() and card.label_kind != "multi":
        title = "Confusion matrix of the validation images of all folds"
        pictures["confusion"] = (title, _confusion(folder, card))
    return render_page(
        "folds.html.j2",
        card=card,
        folder=folder.path.as_posix(),
        folds=[fold.path.name for fold in folds],
        splits=splits,
        counts=counts,
        pictures=[
            {"id": name, "title": title, "data": embedded(content)}
            for name, (title, content) in pictures.items()
            if content
        ],
        class_tables={split: _mean_table([table(each[split]) for each in metrics]) for split in splits},
        predictions=folder.predictions.name if folder.predictions.is_file() else "",
        recipe=read_run_file(folder.recipe, MAX_SHORT_TABLE_BYTES).decode("utf-8", "replace"),
    )


def _curves(folder: FoldsFolder) -> bytes:
    """Draw the learning curves of all folds; nothing if they have no epochs."""
    runs = open_runs([fold.path for fold in folder.folds()])
    try:
        names = chosen_metrics(runs)
    except RunError:
        return b""
    curves = [Curve(run.label, run.history, run.best_epoch) for run in runs if run.history.epochs]
    return compared_curves(curves, names)


def _confusion(folder: FoldsFolder, card: Card) -> bytes:
    numbers = {name: number for number, name in enumerate(card.classes)}
    confusion = np.zeros((len(numbers), len(numbers)), np.int64)
    rows = read_run_table(folder.predictions)
    try:
        for row in rows:
            confusion[numbers[row["truth"]], numbers[row["prediction"]]] += 1
    except KeyError as error:
        raise RunError(f"{folder.predictions}: has no column or class {error}; the file is damaged") from error
    return confusion_matrix(confusion, card.classes, "validation images of all folds")


def _mean_table(tables: Sequence[ClassTable]) -> ClassTable:
    """Return the means over the folds; a value that no fold has is None, and counts are added up."""
    return ClassTable(
        tables[0].columns,
        {
            name: [_mean([table.rows[name][place] for table in tables]) for place in range(len(values))]
            for name, values in tables[0].rows.items()
        },
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int) for value in known):
        return sum(known)
    return statistics.fmean(known) if known else None
