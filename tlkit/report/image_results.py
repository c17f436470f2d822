"""What the models of finished runs made of each image, read from the tables of their run folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tlkit.errors import DataError, RunError
from tlkit.evaluation.paired import Answers, LossMeasure
from tlkit.evaluation.weighted_metrics import Measure, MultiLabelMeasure, SegmentationMeasure, SingleLabelMeasure
from tlkit.report.pixel_table import read_pixels
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.reading import read_run_table
from tlkit.runs.samples import SampleRow, SamplesFile

ImageId = tuple[str, int]
"""An image by its bytes, and which of the samples with these bytes it is."""

PREDICTIONS = "predictions.csv"
_LOSSES = ("loss", "cross_entropy")


@dataclass
class ImageResult:
    """What a model made of an image.

    Args:
        loss: its cross-entropy.
        group: the group of the image, such as a patient; empty for none.
        truth: of a classification, the true label as ``predictions.csv`` has it.
        prediction: the predicted one.
        pixels: of a segmentation, class → the pixels that are correct, truly of it, and predicted to be.
    """

    loss: float
    group: str
    truth: str = ""
    prediction: str = ""
    pixels: dict[str, tuple[int, ...]] = field(default_factory=dict)


Results = Mapping[ImageId, ImageResult]
"""What a model made of the images of a split."""


def read_results(folder: RunFolder, card: Card) -> Mapping[str, Results] | str:
    """Return split → what the model of a run made of its images; a sentence if the run folder does not say it.

    Raises:
        RunError: a file of the folder is damaged.
    """
    file = folder.path / PREDICTIONS if card.task == "classification" else folder.pixels
    for needed in (file, folder.samples):
        if not needed.is_file():
            remedy = f"; tlkit report {folder.path} writes it" if needed == file else ""
            return f"{folder.path} has no {needed.name}, by which runs are compared image by image{remedy}"
    try:
        samples = SamplesFile(folder.samples).read_used()
    except DataError as error:
        raise RunError(f"{error}; the file is damaged") from error
    splits: dict[str, dict[str, ImageResult]] = {}
    if card.task == "classification":
        for row in read_run_table(file):
            result = _result(folder, row, samples)
            result.truth, result.prediction = row.get("truth", ""), row.get("prediction", "")
            splits.setdefault(row["split"], {})[row["key"]] = result
    else:
        for row, counts in read_pixels(folder):
            of_split = splits.setdefault(row["split"], {})
            result = of_split.get(row["key"]) or _result(folder, row, samples)
            result.pixels[row["class"]] = counts
            of_split[row["key"]] = result
    return {split: _by_content(images, samples) for split, images in splits.items()}


def _result(folder: RunFolder, row: Mapping[str, str], samples: Mapping[str, SampleRow]) -> ImageResult:
    try:
        sample = samples[row["key"]]
        if sample.split != row["split"]:
            raise ValueError("its split is another")
        return ImageResult(float(next(row[name] for name in _LOSSES if name in row)), sample.group)
    except (KeyError, ValueError, StopIteration) as error:
        raise RunError(
            f"{folder.path}: its table of images does not fit {folder.samples.name}: {row.get('key', '')!r}; one of "
            f"them is damaged. tlkit report {folder.path} writes the table again"
        ) from error


def _by_content(images: Mapping[str, ImageResult], samples: Mapping[str, SampleRow]) -> Results:
    """Return what a model made of the images, by their bytes instead of the keys, which change when files move."""
    seen: Counter[str] = Counter()
    found = {}
    for key in sorted(images):
        content = samples[key].digest or key
        found[content, seen[content]] = images[key]
        seen[content] += 1
    return found


def answers(models: Sequence[Results], cards: Sequence[Card], images: Sequence[ImageId]) -> Answers:
    """Return what several models, such as those of folds, or a single one made of some images that all of them have.

    Args:
        models: what each made of its images.
        cards: the card of each, and possibly of further models.
        images: the images to take.

    Raises:
        RunError: a model's table has a class that its card lacks.
    """
    measures, correct = [], None
    for results, card in zip(models, cards, strict=False):
        measure, correct = _measure([results[each] for each in images], card)
        measures.append(measure)
    return Answers(measures, correct if len(models) == 1 else None)


def _measure(images: Sequence[ImageResult], card: Card) -> tuple[Measure, np.ndarray | None]:
    numbers = {name: number for number, name in enumerate(card.classes)}
    losses = np.array([each.loss for each in images])
    try:
        if card.task == "segmentation":
            pixels = np.zeros((len(images), 3, len(numbers)), np.uint32)
            for position, each in enumerate(images):
                for name, counts in each.pixels.items():
                    if name:
                        pixels[position, :, numbers[name]] = counts
            masks = SegmentationMeasure(pixels, card.classes)
            return _both(LossMeasure(losses, pixels[:, 1].sum(1)), masks), None
        if card.label_kind == "multi":
            labels = MultiLabelMeasure(*(_multi_hot([each[at] for each in _labels(images)], numbers) for at in (0, 1)))
            return _both(LossMeasure(losses), labels), labels.correct
        truth, predicted = (np.array([numbers[each[at]] for each in _labels(images)]) for at in (0, 1))
        label = SingleLabelMeasure(truth, predicted, len(numbers))
        return _both(LossMeasure(losses), label), label.correct
    except KeyError as error:
        raise RunError(f"the table of images of {card.name} has a class {error} that model.json lacks") from error


def _labels(images: Sequence[ImageResult]) -> list[tuple[str, str]]:
    return [(each.truth, each.prediction) for each in images]


def _multi_hot(labels: Sequence[str], numbers: Mapping[str, int]) -> np.ndarray:
    hot = np.zeros((len(labels), len(numbers)), bool)
    for row, label in enumerate(labels):
        hot[row, [numbers[name] for name in label.split("|") if name]] = True
    return hot


def _both(loss: Measure, others: Measure) -> Measure:
    return lambda weights: {**loss(weights), **others(weights)}
