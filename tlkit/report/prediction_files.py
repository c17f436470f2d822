"""Check and write predictions with the writer of the model's task: a CSV file, or a folder of masks and overlays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tlkit.contracts import Task
from tlkit.errors import DataError
from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.prediction import Prediction
from tlkit.report.prediction_masks import PredictionMasks
from tlkit.report.prediction_table import PredictionTable
from tlkit.report.prediction_writer import PredictionWriter
from tlkit.runs.card import Card

WRITERS: Mapping[Task, type[PredictionWriter]] = {"classification": PredictionTable, "segmentation": PredictionMasks}
"""Task → what writes its predictions; chosen without the learning tasks, which import TensorFlow."""


def check_target(images: Sequence[FoundImage], card: Card, out: Path, *, overwrite: bool) -> None:
    """Check that the predictions of images can be written, before predicting them.

    Raises:
        DataError: a file exists already, or ``out`` is not what the model's task needs.
    """
    WRITERS[card.task](card, out, overwrite=overwrite).check(images)


def write_predictions(
    predictions: Iterable[Prediction],
    images: Sequence[FoundImage],
    card: Card,
    out: Path,
    *,
    overwrite: bool = False,
    failed: Callable[[Prediction], None] = lambda _prediction: None,
    columns: tuple[str, ...] = (),
) -> int:
    """Write the predictions of images: a CSV file for classification, a folder for segmentation.

    Args:
        predictions: one for each image, in the same order; consumed one at a time.
        images: the images.
        card: the model's card.
        out: the file or folder to write.
        overwrite: True to overwrite files that exist.
        columns: the names of what else is said of each prediction: ``Judgement.columns``.
        failed: called with each prediction that has an error, which is not written.

    Returns:
        the number of images predicted.

    Raises:
        DataError: a file exists already, or ``out`` can't be written.
    """
    try:
        writer = WRITERS[card.task](card, out, overwrite=overwrite, columns=columns)
        return writer.write(predictions, images, failed)
    except OSError as error:
        raise DataError(f"{error.filename or out}: can't be written: {error.strerror or error}") from error
