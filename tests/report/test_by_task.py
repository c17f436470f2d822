"""Every learning task can be evaluated and reported."""

from __future__ import annotations

from tlkit.evaluation.by_task import EVALUATIONS
from tlkit.models.tasks import LEARNING_TASKS
from tlkit.report.by_task import REPORTS


def test_every_learning_task_is_evaluated_and_reported() -> None:
    assert set(EVALUATIONS) == set(REPORTS) == set(LEARNING_TASKS.values())
