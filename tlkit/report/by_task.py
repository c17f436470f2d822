"""How each learning task is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlkit.models.tasks import BinaryLabel, LearningTask, MultiLabel, Segmentation, SingleLabel, task_of_card
from tlkit.report.classification_pages import MultiLabelPages, SingleLabelPages
from tlkit.report.segmentation_pages import SegmentationPages
from tlkit.report.task_pages import TaskPages
from tlkit.runs.card import Card


@dataclass(frozen=True)
class TaskReport:
    """How a learning task is reported.

    Args:
        pages: makes the task's parts of a run's report.
    """

    pages: type[TaskPages[Any]]


_ONE_LABEL = TaskReport(SingleLabelPages)
REPORTS: Mapping[type[LearningTask], TaskReport] = {
    SingleLabel: _ONE_LABEL,
    BinaryLabel: _ONE_LABEL,
    MultiLabel: TaskReport(MultiLabelPages),
    Segmentation: TaskReport(SegmentationPages),
}


def task_report(card: Card) -> TaskReport:
    """Return how a model's task is reported."""
    return REPORTS[type(task_of_card(card))]
