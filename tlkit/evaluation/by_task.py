"""How each learning task is evaluated and predicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlkit.evaluation.classification import measure_multi_label, measure_single_label, predicted_labels
from tlkit.evaluation.measurement import Measurement
from tlkit.evaluation.outcome import Outcome
from tlkit.evaluation.prediction import Prediction
from tlkit.evaluation.segmentation import measure_segmentation, predicted_mask
from tlkit.models.tasks import BinaryLabel, LearningTask, MultiLabel, Segmentation, SingleLabel, task_of_card
from tlkit.runs.card import Card


@dataclass(frozen=True)
class TaskEvaluation:
    """How a learning task is evaluated and predicted.

    Args:
        measure: runs the model over samples and measures it.
        prediction: returns the prediction of an image, given its path, its probabilities at the model's size, the
            (height, width) of the original image, and the model's card.
    """

    measure: Callable[[Measurement], Outcome]
    prediction: Callable[[Path | None, np.ndarray, tuple[int, int], Card], Prediction]


EVALUATIONS: Mapping[type[LearningTask], TaskEvaluation] = {
    SingleLabel: TaskEvaluation(measure_single_label, predicted_labels),
    BinaryLabel: TaskEvaluation(measure_single_label, predicted_labels),
    MultiLabel: TaskEvaluation(measure_multi_label, predicted_labels),
    Segmentation: TaskEvaluation(measure_segmentation, predicted_mask),
}


def task_evaluation(card: Card) -> TaskEvaluation:
    """Return how a model's task is evaluated and predicted."""
    return EVALUATIONS[type(task_of_card(card))]
