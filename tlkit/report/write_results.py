"""Evaluate a trained model, and write its metrics, predictions, pictures and report, each file whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tlkit.contracts import ReportSection
from tlkit.evaluation.evaluator import evaluate
from tlkit.evaluation.logits import Logits
from tlkit.evaluation.measured_calibration import measured_calibration
from tlkit.evaluation.outcome import Outcome
from tlkit.report.by_task import task_report
from tlkit.report.gallery import Gallery, Table
from tlkit.report.learning_curves import learning_curves
from tlkit.report.missed_classes import missed_classes
from tlkit.report.report_page import RunResults, picture_name, report_page
from tlkit.report.task_pages import TaskPages
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.history import read_history
from tlkit.system.disk import write_atomically

if TYPE_CHECKING:
    from tlkit.data.run_data import Data
    from tlkit.recipe.data_part import DataPart
    from tlkit.recipe.schema import Recipe
    from tlkit.registry import Registry

Sections = Callable[[Mapping[str, Any]], list[ReportSection]]
"""Returns the sections that plugins add to a report, given the run's metrics."""


class More(Protocol):
    """Makes the parts of a report that take longer than the rest."""

    def explained(self, outcomes: Mapping[str, Outcome]) -> Sequence[Gallery]:
        """Return where the model looked, given the outcome of each split."""

    def unknown(self) -> Sequence[Table | Gallery]:
        """Return what the model doesn't know."""


WRITING = "writing the report"
"""What is done last."""
_MAX_TRAINING_SAMPLES = 20
"""Training images to show when no image was held out."""


@dataclass(frozen=True)
class Additions:
    """What a report has besides what is measured.

    Args:
        sections: returns the plugins' sections, given the metrics.
        best: the epoch whose weights the model has, from 1 over all phases, and the column of ``metrics.csv`` by which
            it is the best.
        more: makes the parts of a full report; None for none of them.
    """

    sections: Sections = lambda _metrics: []
    best: tuple[int, str] = (0, "")
    more: More | None = None


@dataclass(frozen=True)
class Results:
    """What was measured and written.

    Args:
        metrics: the contents of ``metrics.json``: split → metrics, for the splits that have samples.
        notes: what the user should know about the metrics.
    """

    metrics: dict[str, Any]
    notes: tuple[str, ...]


def write_results(
    folder: RunFolder,
    card: Card,
    data: Data,
    logits: Logits,
    *,
    recipe: Recipe | DataPart,
    added: Additions,
    progress: Callable[[str, int, int], None] = lambda _doing, _done, _total: None,
) -> Results:
    """Evaluate a model on the validation and test splits, and write the results.

    Writes ``metrics.json``, ``predictions.csv`` (classification) or ``pixels.csv`` (segmentation), ``pictures/*.png``
    and ``report.html``. The pictures show the validation and test splits, or else training images.

    Args:
        folder: the run folder; the report also shows its ``metrics.csv`` and other tables.
        card: the model's card.
        data: the opened data.
        logits: gives the model's logits for images of the data.
        recipe: the run's recipe: its loss is measured in batches of its size.
        added: what the report has besides.
        progress: called with what is being done, and how many of how many images of it are done.

    Raises:
        PluginError: a section breaks its contract.
        RunError: a file of the run folder is damaged.
    """
    batch_size = recipe.input.batch_size
    measure = partial(evaluate, batch_size=batch_size, loss=recipe.train.loss, progress=partial(progress, "evaluating"))
    outcomes: dict[str, Outcome] = {}
    for split in ("validation", "test"):
        if len(rows := data.indices(split)):
            outcomes[split] = measure(logits, card, data, rows)
    calibration = measured_calibration(outcomes)
    metrics = {
        split: each.metrics | ({"calibration": calibration[split].as_metrics()} if split in calibration else {})
        for split, each in outcomes.items()
    }
    write_metrics(folder.metrics, metrics)
    pages = task_report(card).pages(card, data, logits)
    for name, table in pages.tables(outcomes).items():
        write_atomically(folder.path / name, table)
    notes = {split: missed_classes(each, data, card, split) for split, each in outcomes.items()}
    progress("drawing pictures", 0, 0)
    pictures = _curves(folder, added.best) | _sample_pictures(pages, outcomes, batch_size)
    folder.pictures.mkdir(exist_ok=True)
    for name, content in pictures.items():
        write_atomically(folder.pictures / name, content)
    progress(WRITING, 0, 0)
    results = RunResults(outcomes, pictures, added.sections(metrics), notes, calibration, best_epoch=added.best[0])
    if added.more is not None:
        results = replace(results, explained=added.more.explained(outcomes), unknown=added.more.unknown())
    write_atomically(folder.report, report_page(folder, pages, results))
    return Results(metrics, tuple(note for each in notes.values() for note in each))


def plugin_sections(registry: Registry, folder: RunFolder) -> Sections:
    """Return a function that asks the plugins for their sections of a run's report, sorted by title."""

    def sections(result: Mapping[str, Any]) -> list[ReportSection]:
        answers = registry.ask("tlkit_report_sections", ReportSection, run=folder.path, result=result)
        return sorted(answers, key=lambda section: section.title)

    return sections


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics as JSON, whole or not at all."""
    write_atomically(path, json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _curves(folder: RunFolder, best: tuple[int, str]) -> dict[str, bytes]:
    """Draw the learning curves, if there is a history."""
    if not folder.history.is_file():
        return {}
    return {"curves.png": learning_curves(read_history(folder.history), *best)}


def _sample_pictures(pages: TaskPages[Any], outcomes: Mapping[str, Outcome], batch_size: int) -> dict[str, bytes]:
    """Draw the confusion matrix and samples of each split that was evaluated, else samples of training images."""
    pictures: dict[str, bytes] = {}
    for split, outcome in outcomes.items():
        drawn = {"confusion.png": pages.confusion(outcome, split), **pages.samples(outcome, split)}
        pictures |= {picture_name(name, split, outcomes): content for name, content in drawn.items()}
    if outcomes:
        return pictures
    rows = pages.data.indices("train")
    if not len(rows):
        return {}
    rows = rows[np.linspace(0, len(rows) - 1, min(_MAX_TRAINING_SAMPLES, len(rows))).astype(int)]
    outcome = evaluate(pages.logits, pages.card, pages.data, rows, batch_size=batch_size)
    return pages.samples(outcome, "training")
