"""A model and the samples it is measured on, and the loop that runs the one over the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tlkit.data.feed.pipeline import Feed
from tlkit.evaluation.class_names import class_map
from tlkit.evaluation.inference import pad_rows
from tlkit.evaluation.recipe_loss import RecipeLoss
from tlkit.models.tasks import LearningTask, task_of_card
from tlkit.runs.card import Card

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

Progress = Callable[[int, int], None]
"""Called with the number of images done and the total."""


@dataclass(frozen=True)
class Measurement:
    """A model and the samples it is measured on.

    Args:
        model: the Keras model.
        card: the model's card.
        data: the opened data; its classes are matched with the model's by name.
        rows: int (N,) row numbers of the samples in the data, N at least 1.
        batch_size: the number of images per step.
        progress: called after each batch.
        recipe_loss: the recipe's loss, if that is not the cross-entropy.
    """

    model: Any
    card: Card
    data: Data
    rows: np.ndarray
    batch_size: int
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

    @property
    def class_map(self) -> np.ndarray:
        """The model's number of each class of the data, int64 (data classes,).

        Raises:
            DataError: the data has a class that the model was not trained on.
        """
        return class_map(tuple(self.data.classes), self.card)

    def run(
        self,
        step: Callable[[Any, Any], tuple[Any, ...]],
        truth: Callable[[slice, Mapping[str, np.ndarray]], np.ndarray],
        padding: int = 0,
    ) -> Iterator[tuple[slice, list[np.ndarray]]]:
        """Run a step over all samples, batch by batch.

        Args:
            step: from images, float32 (batch_size, H, W, 3), and their truth to a tuple of tensors with one row per
                image; it is compiled.
            truth: returns the truth of a batch, given the positions of its samples in ``rows`` and its arrays.
            padding: the truth of the images that fill up the last batch.

        Yields:
            the positions of a batch's samples in ``rows``, and what the step returned for them.
        """
        compiled = tf.function(step, reduce_retracing=True, autograph=False)
        start = 0
        for batch in Feed(self.data, self.batch_size).epoch(self.rows):
            arrays = {name: np.asarray(value) for name, value in batch.items()}
            count = len(arrays["images"])
            part = slice(start, start + count)
            images = pad_rows(arrays["images"].astype(np.float32), self.batch_size)
            padded_truth = pad_rows(truth(part, arrays), self.batch_size, padding)
            results = compiled(tf.constant(images), tf.constant(padded_truth))
            start += count
            self.progress(start, len(self.rows))
            yield part, [np.asarray(each)[:count] for each in results]
