"""Evaluation: run a model over labelled samples in inference mode, and measure it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.evaluation.by_task import task_evaluation
from tlkit.evaluation.measurement import Measurement, Progress
from tlkit.evaluation.memory import explained_memory
from tlkit.evaluation.outcome import Outcome
from tlkit.models.fold import fold_batch_norm
from tlkit.models.inference import images_at_once
from tlkit.runs.card import Card

if TYPE_CHECKING:
    from tlkit.data.run_data import Data


def evaluate(
    model: Any,
    card: Card,
    data: Data,
    rows: np.ndarray,
    *,
    batch_size: int,
    progress: Progress | None = None,
) -> Outcome:
    """Run a model over samples and measure it.

    Args:
        model: the Keras model.
        card: the model's card; the classes of the data are matched with the card's by name.
        data: the opened data.
        rows: int (N,) row numbers of the samples in the data, N at least 1.
        batch_size: the largest number of images per step.
        progress: called with (done, total) images after each batch.

    Raises:
        DataError: the data has a class that the model was not trained on, or several labels per image where the model
            predicts one.
        RunError: a layer of the model needs more memory than there is.
    """
    measurement = Measurement(
        model=fold_batch_norm(model),
        card=card,
        data=data,
        rows=rows,
        batch_size=min(batch_size, images_at_once(model)),
        progress=progress or (lambda _done, _total: None),
    )
    with explained_memory(card, measurement.batch_size, measurement.batch_size):
        return task_evaluation(card).measure(measurement)
