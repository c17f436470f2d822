"""Evaluation: measure the logits of labelled samples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tlkit.evaluation.by_task import task_evaluation
from tlkit.evaluation.commonest import commonest_class
from tlkit.evaluation.logits import Logits
from tlkit.evaluation.measurement import Measurement, Progress
from tlkit.evaluation.memory import explained_memory
from tlkit.evaluation.metric_intervals import metric_intervals
from tlkit.evaluation.outcome import Outcome
from tlkit.evaluation.recipe_loss import RecipeLoss, is_cross_entropy
from tlkit.models.tasks import task_of_card
from tlkit.recipe.schema import Loss
from tlkit.runs.card import Card

if TYPE_CHECKING:
    from tlkit.data.run_data import Data


def evaluate(
    logits: Logits,
    card: Card,
    data: Data,
    rows: np.ndarray,
    *,
    batch_size: int,
    loss: Loss | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Measure a model on samples.

    Args:
        logits: gives the model's logits.
        card: the model's card; the classes of the data are matched with the card's by name.
        data: the opened data.
        rows: int (N,) row numbers of the samples in the data, N at least 1.
        batch_size: the recipe's number of images per batch, in which its loss is computed.
        loss: the recipe's ``train.loss``; None for the cross-entropy that fits the labels.
        progress: called with (done, total) images after each batch.

    Returns:
        the outcome, whose ``metrics`` have ``loss``, the mean of the recipe's loss in batches of ``batch_size``, and
        also ``cross_entropy`` if that is another loss; ``intervals``, the 95 % interval of each metric by the
        bootstrap over images, or over groups where the data has them; and ``commonest``, the metrics of predicting the
        commonest class.

    Raises:
        DataError: the data has a class that the model was not trained on, or several labels per image where the model
            predicts one.
        RunError: a layer of the model needs more memory than there is.
    """
    task = task_of_card(card)
    recipe_loss = None if loss is None or is_cross_entropy(loss, task) else RecipeLoss(task, loss, batch_size)
    measurement = Measurement(
        logits=logits,
        card=card,
        data=data,
        rows=rows,
        progress=progress or (lambda _done, _total: None),
        recipe_loss=recipe_loss,
    )
    with explained_memory(card, logits.at_once, logits.at_once):
        outcome = task_evaluation(card).measure(measurement)
    added = {
        "intervals": metric_intervals(outcome, [data.groups[int(row)] for row in rows]),
        "commonest": commonest_class(outcome, card.classes),
    }
    return replace(outcome, metrics=outcome.metrics | added)
