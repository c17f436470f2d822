"""The parts of a classification's report: which images and tables it shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tlkit.data.store.rows import evenly_spaced
from tlkit.evaluation.metrics import Metrics
from tlkit.evaluation.outcome import ClassificationOutcome
from tlkit.models.tasks import Classification, task_of_card
from tlkit.report.classification_part import ClassificationPart, Shown, classification_part
from tlkit.report.confusion_matrix import confusion_matrix, label_counts
from tlkit.report.image_grids import ClassifiedImage, classified_page
from tlkit.report.task_pages import Cell, ClassTable, TaskPages, highest_first

_MAX_SAMPLES = 20
_MAX_MISTAKES = 15


class SingleLabelPages(TaskPages[ClassificationOutcome]):
    """The report of a classification with one label per image."""

    text_columns = ("truth", "prediction")
    number_columns = ("probability",)
    has_predictions_csv = True
    template = "classification.html.j2"
    page_pictures = ("samples.png",)

    @property
    def _task(self) -> Classification:
        task = task_of_card(self.card)
        assert isinstance(task, Classification)
        return task

    def confusion(self, outcome: ClassificationOutcome, split: str) -> bytes:
        """Return the confusion matrix."""
        assert outcome.confusion is not None
        return confusion_matrix(outcome.confusion, self.card.classes, f"{split} images")

    def samples(self, outcome: ClassificationOutcome, split: str) -> dict[str, bytes]:
        """Return a page of evenly spaced samples and, if there are mistakes, a page of those with the highest loss."""
        count = len(outcome.rows)
        spaced = evenly_spaced(count, _MAX_SAMPLES)
        correct = sum(self._is_correct(outcome, position) for position in range(count))
        title = f"{split} images, evenly spaced; {correct} of {count} are correct"
        pages = {"samples.png": classified_page([self._image(outcome, position) for position in spaced], title)}
        mistakes = [each for each in highest_first(outcome.losses) if not self._is_correct(outcome, each)]
        shown = [self._image(outcome, position) for position in mistakes[:_MAX_MISTAKES]]
        if shown:
            title = f"misclassified {split} images, highest {_name(outcome)} first ({len(shown)} of {len(mistakes)})"
            pages["worst.png"] = classified_page(shown, title, names=True)
        return pages

    def cells(self, outcome: ClassificationOutcome, position: int) -> tuple[Cell, ...]:
        """Return the truth, the prediction and its probability."""
        return (
            Cell(self._label(outcome.labels[position])),
            Cell(self._predicted_label(outcome, position), wrong=not self._is_correct(outcome, position)),
            Cell(self._probability(outcome, position)),
        )

    @staticmethod
    def class_table(metrics: Metrics) -> ClassTable:
        """Return precision, recall, F1 and the number of images of each class."""
        columns = ("precision", "recall", "f1", "support")
        rows = {name: [row[column] for column in columns] for name, row in metrics["per_class"].items()}
        return ClassTable(columns, rows)

    def part(self, outcome: ClassificationOutcome, split: str) -> ClassificationPart:
        """Return the confusions of a split with their images, the surest mistakes and the least sure images."""
        shown = Shown(
            outcome,
            self.card.classes,
            self._task.predict(outcome.probabilities),
            lambda position: self._pixels(outcome, position),
            lambda position: self.key(outcome, position),
            self._label,
        )
        return classification_part(shown, split)

    def _pixels(self, outcome: ClassificationOutcome, position: int) -> np.ndarray:
        return np.asarray(self.data.store.images[int(outcome.rows[position])])

    def _image(self, outcome: ClassificationOutcome, position: int) -> ClassifiedImage:
        return ClassifiedImage(
            image=self._pixels(outcome, position),
            name=self.key(outcome, position),
            truth=self._label(outcome.labels[position]) or "(none)",
            prediction=self._predicted_label(outcome, position) or "(none)",
            correct=self._is_correct(outcome, position),
            probability=self._probability(outcome, position),
            loss=float(outcome.losses[position]),
            loss_name=_name(outcome),
        )

    def _label(self, label: Any) -> str:
        """Return the names of a label's classes, joined by ``|``."""
        return "|".join(self.card.classes[number] for number in self._task.numbers(label))

    def _predicted_label(self, outcome: ClassificationOutcome, position: int) -> str:
        return self._label(self._task.predict(outcome.probabilities[position]))

    def _is_correct(self, outcome: ClassificationOutcome, position: int) -> bool:
        predicted = self._task.predict(outcome.probabilities[position])
        return bool(np.array_equal(predicted, outcome.labels[position]))

    def _probability(self, outcome: ClassificationOutcome, position: int) -> float | None:
        """Return the probability of the predicted label; None if there is not exactly one."""
        return float(outcome.probabilities[position].max())


class MultiLabelPages(SingleLabelPages):
    """The report of a classification with any number of labels per image."""

    confusion_title = "Correct and wrong labels"

    def confusion(self, outcome: ClassificationOutcome, split: str) -> bytes:
        """Return the true and false positives and negatives of each class."""
        predicted = self._task.predict(outcome.probabilities)
        return label_counts(outcome.labels, predicted, self.card.classes, f"{split} images")

    def _probability(self, outcome: ClassificationOutcome, position: int) -> None:
        """Return None: several labels have no common probability."""


def _name(outcome: ClassificationOutcome) -> str:
    return outcome.losses_name.replace("_", "-")
