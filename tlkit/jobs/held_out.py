"""What a run's models say about its own images: in a cross-validation, each by a model that did not train on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tlkit.jobs.opened_run import OpenedRun
from tlkit.jobs.predict import load
from tlkit.jobs.progress import StageProgress
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.folds import FoldsFolder
from tlkit.runs.samples import SamplesFile

if TYPE_CHECKING:
    from tlkit.evaluation.outcome import Outcome
    from tlkit.evaluation.predictor import Predictor


@dataclass(frozen=True)
class Judged:
    """What a model says about images.

    Args:
        predictor: the model.
        outcome: its evaluation on the images; ``outcome.rows`` are their rows in the data.
    """

    predictor: Predictor
    outcome: Outcome


def judge_by_models(
    folder: RunFolder,
    card: Card,
    opened: OpenedRun,
    rows: np.ndarray,
    *,
    registry: Registry,
    trust: bool,
    progress: StageProgress,
) -> Iterator[Judged]:
    """Evaluate the models of a run on its own images: each image once.

    Args:
        folder: the folder of a run or of a cross-validation.
        card: its card.
        opened: the run, or the first fold, opened.
        rows: int64 (N,), the images.
        registry: the plugins.
        trust: also load a model with layers from a plugin.
        progress: called with the stage, and how many of how many images are done.

    Raises:
        RunError: a model is missing or damaged.
    """
    from tlkit.evaluation.evaluator import evaluate

    batch_size = opened.recipe.input.batch_size
    for run, of_model in _rows_of_models(folder, card, opened, rows):
        predictor = load(run.path, trust=trust, registry=registry)
        logits = predictor.logits_of(opened.data, batch_size, of_model)
        outcome = evaluate(
            logits,
            predictor.card,
            opened.data,
            of_model,
            batch_size=batch_size,
            progress=partial(progress, f"predicting by {run.path.name}"),
        )
        yield Judged(predictor, outcome)


def _rows_of_models(
    folder: RunFolder, card: Card, opened: OpenedRun, rows: np.ndarray
) -> Iterator[tuple[RunFolder, np.ndarray]]:
    """Yield each model's run folder with the images that it judges; test images are judged by the first fold."""
    if not card.folds:
        yield folder, rows
        return
    left = set(rows.tolist())
    for number, run in enumerate(FoldsFolder(folder.path).members(card.folds)):
        splits = {key: row.split for key, row in SamplesFile(run.samples).read_used().items()}
        held_out = ("validation", "test") if number == 0 else ("validation",)
        own = [row for row in rows.tolist() if splits.get(opened.data.samples[row].key) in held_out and row in left]
        left -= set(own)
        if own:
            yield run, np.array(own, np.int64)
