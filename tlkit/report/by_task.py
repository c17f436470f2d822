"""How each learning task is reported, and how its predictions are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlkit.models.tasks import BinaryLabel, LearningTask, MultiLabel, Segmentation, SingleLabel, task_of_card
from tlkit.report.classification_pages import MultiLabelPages, SingleLabelPages
from tlkit.report.prediction_masks import PredictionMasks
from tlkit.report.prediction_table import PredictionTable
from tlkit.report.prediction_writer import PredictionWriter
from tlkit.report.segmentation_pages import SegmentationPages
from tlkit.report.task_pages import TaskPages
from tlkit.runs.card import Card


@dataclass(frozen=True)
class TaskReport:
    """How a learning task is reported, and how its predictions are written.

    Args:
        pages: makes the task's parts of a run's report.
        writer: writes the predictions of files.
    """

    pages: type[TaskPages[Any]]
    writer: type[PredictionWriter]


_ONE_LABEL = TaskReport(SingleLabelPages, PredictionTable)
REPORTS: Mapping[type[LearningTask], TaskReport] = {
    SingleLabel: _ONE_LABEL,
    BinaryLabel: _ONE_LABEL,
    MultiLabel: TaskReport(MultiLabelPages, PredictionTable),
    Segmentation: TaskReport(SegmentationPages, PredictionMasks),
}


def task_report(card: Card) -> TaskReport:
    """Return how a model's task is reported, and how its predictions are written."""
    return REPORTS[type(task_of_card(card))]
