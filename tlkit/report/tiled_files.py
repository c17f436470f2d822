"""Predict pictures in tiles and write the predictions: a CSV file of tiles, or a folder of masks and overlays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tlkit.errors import DataError
from tlkit.evaluation.classification import predicted_labels
from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.prediction import DrawnPrediction, Prediction
from tlkit.evaluation.tiled import TiledPredictor, WriteMask, count_classes
from tlkit.report.colors import background_class
from tlkit.report.prediction_masks import PredictionMasks, write_files
from tlkit.report.prediction_table import PredictionTable
from tlkit.report.tiled_masks import write_tiled_mask
from tlkit.system.disk import temporary_folder

Predict = Callable[[FoundImage, WriteMask], Prediction]
"""Predicts a picture, and writes its mask."""


class TiledTable(PredictionTable):
    """Writes a CSV file with a row for each picture and, below it, for each of its tiles.

    Its columns are path, the box left, top, right and bottom in pixels, label, probability and one for each class.
    """

    def _write_rows(self, writer: Any, predictions: Iterable[Prediction], failed: Callable[[Prediction], None]) -> int:
        count = 0
        box = ("left", "top", "right", "bottom")
        writer.writerow(["path", *box, "label", "probability", *self.card.classes])
        for each in predictions:
            if each.error is not None or each.tiles is None or each.size is None:
                failed(each)
                continue
            writer.writerow(self._cells(each, (0, 0, each.size[1], each.size[0])))
            for place, probabilities in zip(each.tiles.boxes.tolist(), each.tiles.probabilities, strict=True):
                writer.writerow(self._cells(predicted_labels(each.path, probabilities, each.size, self.card), place))
            count += 1
        return count

    def _cells(self, prediction: Prediction, box: Sequence[int]) -> list[object]:
        path, *values = self.values(prediction)
        return [path, *box, *values]


def drawn_in_tiles(predictor: TiledPredictor, picture: Path) -> Prediction:
    """Predict a picture, and draw the files of its mask."""
    card = predictor.predictor.card
    if card.task == "classification":
        return predictor.predict(picture)
    with temporary_folder() as folder:
        files = (folder / "mask.png", folder / "overlay.png")
        background = background_class(card.classes)
        write = partial(write_tiled_mask, colors=card.colors, background=background, files=files)
        made = predictor.predict(picture, write)
        if made.error is not None:
            return made
        contents = files[0].read_bytes(), files[1].read_bytes()
    return DrawnPrediction(picture, shares=made.shares, size=made.size, files=contents)


def write_in_tiles(
    predictor: TiledPredictor,
    images: Sequence[FoundImage],
    out: Path,
    *,
    overwrite: bool,
    failed: Callable[[Prediction], None],
    predict: Predict,
) -> int:
    """Predict pictures in tiles and write the predictions.

    Args:
        predictor: the model and its tiles.
        images: the pictures.
        out: the CSV file (classification) or the folder (segmentation) to write.
        overwrite: True to overwrite files that exist.
        failed: called with each prediction that has an error, which is not written.
        predict: predicts a picture.

    Returns:
        the number of pictures predicted.

    Raises:
        DataError: a file exists already, or can't be written.
    """
    card = predictor.predictor.card
    try:
        if card.task == "classification":
            table = TiledTable(card, out, overwrite=overwrite)
            return table.write((predict(each, count_classes) for each in images), images, failed)
        masks = PredictionMasks(card, out, overwrite=overwrite)
        masks.begin(images)
        count, background = 0, background_class(card.classes)
        for image, files in zip(images, masks.files(images), strict=True):
            write = partial(write_tiled_mask, colors=card.colors, background=background, files=files)
            prediction = predict(image, write)
            if isinstance(prediction, DrawnPrediction):
                write_files(files, prediction)
            if prediction.error is None:
                count += 1
            else:
                failed(prediction)
        return count
    except OSError as error:
        raise DataError(f"{error.filename or out}: can't be written: {error.strerror or error}") from error
