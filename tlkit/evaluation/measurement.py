"""The logits of labelled samples, and how they are taken batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlkit.evaluation.logits import Logits
from tlkit.evaluation.recipe_loss import RecipeLoss
from tlkit.models.tasks import LearningTask, task_of_card
from tlkit.runs.card import Card

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

Progress = Callable[[int, int], None]
"""Called with the number of images done and the total."""


@dataclass(frozen=True)
class Measurement:
    """The samples that a model is measured on, and the logits of these samples.

    Args:
        logits: gives the model's logits.
        card: the model's card.
        data: the opened data; its classes are matched with the model's by name.
        rows: int (N,) row numbers of the samples in the data, N at least 1.
        progress: called after each batch.
        recipe_loss: the recipe's loss, if that is not the cross-entropy.
    """

    logits: Logits
    card: Card
    data: Data
    rows: np.ndarray
    progress: Progress
    recipe_loss: RecipeLoss | None = None

    def losses(self, cross_entropy: float) -> dict[str, float]:
        """Return ``loss``, the recipe's, and if that is another also ``cross_entropy``, given the latter."""
        if self.recipe_loss is None:
            return {"loss": cross_entropy}
        return {"loss": self.recipe_loss.mean(), "cross_entropy": cross_entropy}

    @property
    def task(self) -> LearningTask:
        """The model's learning task."""
        return task_of_card(self.card)

    def batches(self, truth: Callable[[slice], np.ndarray]) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Go through all samples, batch by batch, and add them to the recipe's loss.

        Args:
            truth: returns the truth of a batch, as a batch of the pipeline has it, given the positions of its samples
                in ``rows``.

        Yields:
            the positions of a batch's samples in ``rows``, their truth, and their logits, float32 (n, …, units).
        """
        start = 0
        for logits in self.logits.batches(self.rows):
            part = slice(start, start + len(logits))
            true = truth(part)
            if self.recipe_loss is not None:
                self.recipe_loss.add(true, logits)
            start += len(logits)
            self.progress(start, len(self.rows))
            yield part, true, logits
