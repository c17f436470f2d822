"""What ``tlkit report --full`` adds to a report: where the model looked, and what it doesn't know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.contracts import Split
from tlkit.data.store.rows import evenly_spaced
from tlkit.errors import DataError
from tlkit.evaluation.outcome import ClassificationOutcome, Outcome, SegmentationOutcome
from tlkit.jobs.progress import StageProgress
from tlkit.report.gallery import Gallery, Picture, Table, thumbnail
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder

if TYPE_CHECKING:
    from tlkit.data.run_data import Data
    from tlkit.evaluation.explainer import Explainer
    from tlkit.jobs.measured_limits import Measured

_PICTURES = 8
"""Images of a gallery."""
_SIDE = 210
"""The width of an image and its map beside it, in pixels."""


class FullReport:
    """Makes the parts of a report that take longer than the rest.

    Args:
        folder: the run folder; ``limits.safetensors`` is written to it.
        card: the model's card.
        data: the run's images, decoded.
        model: the Keras model, from images to logits.
        progress: called with the stage, and how many of how many images are done.
    """

    def __init__(self, folder: RunFolder, card: Card, data: Data, model: Any, progress: StageProgress) -> None:
        self._folder = folder
        self._card = card
        self._data = data
        self._model = model
        self._progress = progress

    def explained(self, outcomes: Mapping[str, Outcome]) -> list[Gallery]:
        """Return where the model looked in wrong and right images of each split, by Grad-CAM."""
        from tlkit.evaluation.explainer import Explainer

        explainer = Explainer([self._model], self._card, method="grad-cam")
        try:
            layer = explainer.layer
        except DataError:  # it has no feature map
            return []
        note = (
            f"Grad-CAM of {layer}: what is bright speaks for the predicted class. It trusts the gradient; tlkit "
            "explain also covers parts of the image, which does not."
        )
        if self._card.task == "segmentation":
            note += " The last map of a segmentation nearly repeats the mask."
        chosen = {
            f"{title}: {split}": (split, places)
            for split, outcome in outcomes.items()
            for title, places in _wrong_and_right(outcome).items()
            if len(places)
        }
        galleries: list[Gallery] = []
        done, total = 0, sum(len(places) for _, places in chosen.values())
        for title, (split, places) in chosen.items():
            pictures = []
            for place in places:
                pictures += self._picture(explainer, outcomes[split], place)
                done += 1
                self._progress("explaining", done, total)
            galleries.append(Gallery(title, "" if galleries else note, pictures))
        return galleries

    def _picture(self, explainer: Explainer, outcome: Outcome, place: int) -> list[Picture]:
        from tlkit.report.heat_maps import heat_over

        row = int(outcome.rows[place])
        image = np.asarray(self._data.store.images[row])
        maps = explainer.maps(image)
        assert maps.grad_cam is not None
        both = np.concatenate([image, heat_over(image, maps.grad_cam)], 1)
        wrong, truth = False, ""
        if isinstance(outcome, ClassificationOutcome) and outcome.labels.ndim == 1:
            name = self._card.classes[int(outcome.labels[place])]
            wrong = name != maps.class_name
            truth = f", truth: {name}" if wrong else ""
        caption = f"{maps.class_name} {maps.probability:.0%}{truth}"
        return [Picture(thumbnail(both, _SIDE), self._data.samples[row].key, caption, wrong)]

    def unknown(self) -> list[Table | Gallery]:
        """Measure what the model knows, write ``limits.safetensors``, and return what it says of held-out images."""
        if self._card.task == "segmentation":
            return []
        from tlkit.evaluation.limits import write_limits
        from tlkit.jobs.measured_limits import measure_limits
        from tlkit.report.limits_part import sets_table, unknown_table

        measured = measure_limits(
            self._folder, self._card, self._data, self._model, partial(self._progress, "computing features")
        )
        write_limits(self._folder, measured.limits)
        parts = [
            unknown_table(measured.limits, measured.features, measured.labels),
            self._farthest(measured),
            sets_table(measured.limits, measured.probabilities, measured.labels),
        ]
        return [each for each in parts if each is not None]

    def _farthest(self, measured: Measured) -> Gallery | None:
        known = measured.limits.known
        splits: tuple[Split, ...] = ("test", "validation")
        split = next((each for each in splits if each in measured.features), None)
        if known is None or split is None:
            return None
        distances = known.distances(measured.features[split])
        rows = self._data.indices(split)
        pictures = [
            Picture(
                thumbnail(np.asarray(self._data.store.images[int(rows[place])])),
                self._data.samples[int(rows[place])].key,
                f"distance {distances[place]:.3f}",
            )
            for place in np.argsort(-distances, kind="stable")[:_PICTURES].tolist()
        ]
        return Gallery(f"The {split} images that are farthest from the training images", "", pictures)


def _wrong_and_right(outcome: Outcome) -> dict[str, Sequence[int]]:
    """Return the places of wrong images, those with the highest loss first, and of evenly spaced right ones."""
    if isinstance(outcome, SegmentationOutcome):
        order = np.argsort(np.nan_to_num(outcome.ious, nan=2.0), kind="stable")
        order = order[~np.isnan(outcome.ious[order])]
        return {"Lowest IoU": order[:_PICTURES].tolist(), "Highest IoU": order[::-1][:_PICTURES].tolist()}
    assert isinstance(outcome, ClassificationOutcome)
    right = outcome.correct
    wrong = np.flatnonzero(~right)
    wrong = wrong[np.argsort(-outcome.losses[wrong], kind="stable")][:_PICTURES]
    spaced = np.flatnonzero(right)
    spaced = spaced[evenly_spaced(len(spaced), _PICTURES)]
    return {"Wrong": wrong.tolist(), "Right": spaced.tolist()}
