"""The parts of a run's report that depend on the task."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np

from tlkit.evaluation.logits import Logits
from tlkit.evaluation.metrics import Metrics
from tlkit.evaluation.outcome import Outcome
from tlkit.files import CellWriter
from tlkit.report.html_page import encodable
from tlkit.runs.card import Card

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

OutcomeT = TypeVar("OutcomeT", bound=Outcome)

_MAX_LISTED = 50
"""Samples in the table of the highest losses."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Args:
        value: a text or a number; None for no value.
        wrong: True to mark the cell.
    """

    value: str | float | None
    wrong: bool = False


@dataclass(frozen=True)
class ClassTable:
    """The metrics of each class.

    Args:
        columns: the names of the metrics.
        rows: class name → the values.
    """

    columns: tuple[str, ...]
    rows: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class ListedSample:
    """A sample in a table of predictions.

    Args:
        key: the sample's key.
        split: the sample's split.
        cells: what the task shows of the prediction, one cell per column.
        loss: the sample's loss.
    """

    key: str
    split: str
    cells: tuple[Cell, ...]
    loss: float


class TaskPages(ABC, Generic[OutcomeT]):
    """The parts of a run's report that depend on the task.

    Args:
        card: the model's card.
        data: the run's data.
        logits: gives the model's logits for images of the data.

    Attributes:
        text_columns: the first columns that ``cells`` fills.
        number_columns: the other columns that ``cells`` fills.
        confusion_title: the title of the picture that ``confusion`` returns.
        has_predictions_csv: True if a run writes a table of all predictions.
        template: the file of ``templates`` that shows a split.
        page_pictures: which of the task's pictures the report shows beside it.
    """

    text_columns: ClassVar[tuple[str, ...]] = ()
    number_columns: ClassVar[tuple[str, ...]]
    confusion_title: ClassVar[str] = "Confusion matrix"
    has_predictions_csv: ClassVar[bool] = False
    template: ClassVar[str]
    page_pictures: ClassVar[tuple[str, ...]] = ("confusion.png", "samples.png", "worst.png")

    def __init__(self, card: Card, data: Data, logits: Logits) -> None:
        self.card = card
        self.data = data
        self.logits = logits

    @abstractmethod
    def confusion(self, outcome: OutcomeT, split: str) -> bytes:
        """Return a PNG file that shows which classes are confused."""

    @abstractmethod
    def samples(self, outcome: OutcomeT, split: str) -> dict[str, bytes]:
        """Return ``samples.png`` and, if there are mistakes, ``worst.png``."""

    @abstractmethod
    def cells(self, outcome: OutcomeT, position: int) -> tuple[Cell, ...]:
        """Return what tables of predictions show of the sample at a position of an outcome."""

    @staticmethod
    @abstractmethod
    def class_table(metrics: Metrics) -> ClassTable:
        """Return the metrics of each class."""

    @abstractmethod
    def part(self, outcome: OutcomeT, split: str) -> Any:
        """Return what the task's template shows as ``part`` of a split, beside its pictures and class table."""

    def predictions_csv(self, outcomes: Mapping[str, OutcomeT]) -> str | None:
        """Return a CSV table of all samples, given the outcome of each split; None if the task has no such file."""
        if not self.has_predictions_csv:
            return None
        text = io.StringIO(newline="")
        writer = CellWriter(text)
        writer.writerow(["key", "split", *self.text_columns, *self.number_columns, losses_name(outcomes)])
        for split, outcome in outcomes.items():
            for position in range(len(outcome.rows)):
                sample = self._listed(outcome, split, position)
                values = (each.value for each in sample.cells)
                writer.writerow([sample.key, split, *map(_csv_text, values), _csv_text(sample.loss)])
        return encodable(text.getvalue())

    def tables(self, outcomes: Mapping[str, OutcomeT]) -> dict[str, str]:
        """Return file name → content of the tables with rows for each image, given the outcome of each split."""
        predictions = self.predictions_csv(outcomes)
        return {} if predictions is None else {"predictions.csv": predictions}

    def highest_losses(self, outcomes: Mapping[str, OutcomeT]) -> list[ListedSample]:
        """Return the samples with the highest loss over all splits, the highest first."""
        samples = [
            self._listed(outcome, split, position)
            for split, outcome in outcomes.items()
            for position in highest_first(outcome.losses)[:_MAX_LISTED]
        ]
        return sorted(samples, key=lambda sample: -sample.loss)[:_MAX_LISTED]

    def key(self, outcome: OutcomeT, position: int) -> str:
        """Return the key of the sample at a position of an outcome."""
        return self.data.samples[int(outcome.rows[position])].key

    def _listed(self, outcome: OutcomeT, split: str, position: int) -> ListedSample:
        cells = self.cells(outcome, position)
        return ListedSample(self.key(outcome, position), split, cells, float(outcome.losses[position]))


def _csv_text(value: str | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.6f}"


def losses_name(outcomes: Mapping[str, Outcome]) -> str:
    """Return the heading of the losses of single samples: ``cross_entropy`` if the recipe has another loss."""
    return next((outcome.losses_name for outcome in outcomes.values()), "loss")


def highest_first(values: np.ndarray) -> list[int]:
    """Return the positions of values, the highest first; equal values stay in order."""
    return [int(position) for position in np.argsort(-values, kind="stable")]
