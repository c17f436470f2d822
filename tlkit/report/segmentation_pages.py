"""The parts of a segmentation's report: which images and tables it shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlkit.evaluation.metrics import Metrics
from tlkit.evaluation.outcome import SegmentationOutcome
from tlkit.evaluation.segmentation import mask_lookup
from tlkit.models.tasks import task_of_card
from tlkit.report.confusion_matrix import confusion_matrix
from tlkit.report.image_grids import SegmentedImage, segmented_page
from tlkit.report.task_pages import Cell, ClassTable, TaskPages, highest_first

_MAX_SAMPLES = 8
_MAX_MISTAKES = 6


class SegmentationPages(TaskPages[SegmentationOutcome]):
    """The report of a segmentation."""

    number_columns = ("IoU",)
    template = "segmentation.html.j2"

    def confusion(self, outcome: SegmentationOutcome, split: str) -> bytes:
        """Return the confusion matrix of pixels."""
        return confusion_matrix(outcome.confusion, self.card.classes, f"{split} pixels")

    def samples(self, outcome: SegmentationOutcome, split: str) -> dict[str, bytes]:
        """Return a page with the best, median and worst images by IoU, and one with the highest losses."""
        known = np.flatnonzero(~np.isnan(outcome.ious))
        worst_first = known[np.argsort(outcome.ious[known], kind="stable")]
        if not len(worst_first):
            worst_first = np.arange(len(outcome.rows))
        mean = outcome.metrics["mean_iou"]
        title = f"{split} images: best, median and worst by IoU" + ("" if mean is None else f"; mean IoU {mean:.3f}")
        highest = worst_first[highest_first(outcome.losses[worst_first])][:_MAX_MISTAKES]
        what = outcome.losses_name.replace("_", "-")
        losses = [(int(position), f"{what} {outcome.losses[position]:.2f}") for position in highest]
        pages = {
            "samples.png": (_best_median_worst(worst_first), title),
            "worst.png": (losses, f"{split} images with the highest {what}"),
        }
        return {
            name: segmented_page(self._images(outcome, chosen), title, self.card.classes, self.card.colors)
            for name, (chosen, title) in pages.items()
        }

    def cells(self, outcome: SegmentationOutcome, position: int) -> tuple[Cell, ...]:
        """Return the image's IoU."""
        iou = outcome.ious[position]
        return (Cell(None if np.isnan(iou) else float(iou)),)

    @staticmethod
    def class_table(metrics: Metrics) -> ClassTable:
        """Return IoU and Dice of each class."""
        return ClassTable(("IoU", "Dice"), {name: [iou, metrics["dice"][name]] for name, iou in metrics["iou"].items()})

    def _images(self, outcome: SegmentationOutcome, chosen: Sequence[tuple[int, str]]) -> list[SegmentedImage]:
        """Return the images at some positions of an outcome, each with its note."""
        assert self.data.store.masks is not None
        rows = outcome.rows[[position for position, _ in chosen]]
        lookup = mask_lookup(tuple(self.data.classes), self.card)
        logits = (each for batch in self.logits.batches(rows) for each in batch)
        return [
            SegmentedImage(
                np.asarray(self.data.store.images[int(row)]),
                self.key(outcome, position),
                lookup[np.asarray(self.data.store.masks[int(row)])],
                task_of_card(self.card).predict(of_image),
                float(outcome.ious[position]),
                note,
            )
            for row, of_image, (position, note) in zip(rows, logits, chosen, strict=True)
        ]


def _best_median_worst(worst_first: np.ndarray) -> list[tuple[int, str]]:
    """Choose from positions, the worst first, the best, the median and the worst, each with its note."""
    if len(worst_first) <= _MAX_SAMPLES:
        return [(int(each), "") for each in worst_first[::-1]]
    ends, between = _MAX_SAMPLES // 4, _MAX_SAMPLES // 2
    middle = (len(worst_first) - between) // 2
    parts = {
        "best": worst_first[::-1][:ends],
        "median": worst_first[middle : middle + between],
        "worst": worst_first[:ends],
    }
    return [(int(each), note) for note, positions in parts.items() for each in positions]
