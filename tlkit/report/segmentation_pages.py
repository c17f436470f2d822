"""The parts of a segmentation's report: which images and tables it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tlkit.data.store.rows import evenly_spaced
from tlkit.evaluation.metrics import Metrics
from tlkit.evaluation.outcome import SegmentationOutcome
from tlkit.evaluation.segmentation import mask_lookup
from tlkit.models.tasks import task_of_card
from tlkit.report.confusion_matrix import confusion_matrix
from tlkit.report.image_grids import SegmentedImage, segmented_page
from tlkit.report.mask_figures import shown_positions, worst_first
from tlkit.report.pixel_table import pixels_csv
from tlkit.report.segmentation_part import SegmentationPart, segmentation_part
from tlkit.report.task_pages import Cell, ClassTable, TaskPages, highest_first, losses_name
from tlkit.runs.folder import RunFolder

_MAX_SAMPLES = 8
_MAX_MISTAKES = 6
_BORDER_PIXELS, _MIN_BORDERS, _MAX_BORDERS = 2**21, 4, 64
"""The most pixels, and the fewest and most images, whose distance to a border is measured."""


class SegmentationPages(TaskPages[SegmentationOutcome]):
    """The report of a segmentation."""

    number_columns = ("IoU",)
    template = "segmentation.html.j2"

    def confusion(self, outcome: SegmentationOutcome, split: str) -> bytes:
        """Return the confusion matrix of pixels."""
        return confusion_matrix(outcome.confusion, self.card.classes, f"{split} pixels")

    def samples(self, outcome: SegmentationOutcome, split: str) -> dict[str, bytes]:
        """Return a page with the best, median and worst images by IoU, and one with the highest losses."""
        order = worst_first(outcome)
        mean = outcome.metrics["mean_iou"]
        title = f"{split} images: best, median and worst by IoU" + ("" if mean is None else f"; mean IoU {mean:.3f}")
        highest = order[highest_first(outcome.losses[order])][:_MAX_MISTAKES]
        what = outcome.losses_name.replace("_", "-")
        losses = [(int(position), f"{what} {outcome.losses[position]:.2f}") for position in highest]
        pages = {
            "samples.png": (_best_median_worst(order), title),
            "worst.png": (losses, f"{split} images with the highest {what}"),
        }
        return {
            name: segmented_page(self._images(outcome, chosen), title, self.card.classes, self.card.colors)
            for name, (chosen, title) in pages.items()
        }

    def part(self, outcome: SegmentationOutcome, split: str) -> SegmentationPart:  # noqa: ARG002
        """Return the classes, the confusion by pixel, the errors at borders and the images by IoU of a split."""
        keys = [self.key(outcome, position) for position in range(len(outcome.rows))]
        pixels = self.card.image_size[0] * self.card.image_size[1]
        most = max(_MIN_BORDERS, min(_MAX_BORDERS, _BORDER_PIXELS // pixels))
        predicted = list(outcome.predictions)
        kept = [predicted[each] for each in evenly_spaced(len(predicted), most)]
        masks = {
            each: (truth, outcome.predictions[each])
            for each, truth in zip(kept, self._truths(outcome, kept), strict=True)
        }
        shown = self._images(outcome, shown_positions(outcome))
        return segmentation_part(self.card, outcome, keys, masks, shown)

    def tables(self, outcomes: Mapping[str, SegmentationOutcome]) -> dict[str, str]:
        """Return the table of the pixels of each image and class."""
        if not outcomes:
            return {}
        return {RunFolder.pixels.name: pixels_csv(outcomes, self.card.classes, self.key, losses_name(outcomes))}

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
        positions = [position for position, _ in chosen]
        return [
            SegmentedImage(
                np.asarray(self.data.store.images[int(outcome.rows[position])]),
                self.key(outcome, position),
                truth,
                prediction,
                float(outcome.ious[position]),
                note,
            )
            for (position, note), truth, prediction in zip(
                chosen, self._truths(outcome, positions), self._predictions(outcome, positions), strict=True
            )
        ]

    def _truths(self, outcome: SegmentationOutcome, positions: Sequence[int]) -> list[np.ndarray]:
        """Return the true masks of the images at some positions of an outcome."""
        assert self.data.store.masks is not None
        lookup = mask_lookup(tuple(self.data.classes), self.card)
        return [lookup[np.asarray(self.data.store.masks[int(outcome.rows[each])])] for each in positions]

    def _predictions(self, outcome: SegmentationOutcome, positions: Sequence[int]) -> list[np.ndarray]:
        """Return the predicted masks of the images at some positions of an outcome, from the model if none was kept."""
        found = {each: outcome.predictions[each] for each in positions if each in outcome.predictions}
        missing = [each for each in dict.fromkeys(positions) if each not in found]
        logits = (each for batch in self.logits.batches(outcome.rows[missing]) for each in batch) if missing else ()
        found |= dict(zip(missing, map(task_of_card(self.card).predict, logits), strict=True))
        return [found[each] for each in positions]


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
