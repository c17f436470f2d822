"""Predict pictures that are larger than the model's images, in overlapping tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.evaluation.found_images import FoundImage
from tlkit.jobs.progress import StageProgress, no_progress
from tlkit.system.memory import explained_memory

if TYPE_CHECKING:
    from tlkit.evaluation.prediction import Prediction
    from tlkit.evaluation.predictor import Predictor
    from tlkit.evaluation.tiled import TiledPredictor, WriteMask


def _smaller() -> AbstractContextManager[None]:
    return explained_memory("give smaller tiles (--tiles), or use a machine with more memory")


def in_tiles(predictor: Predictor, tiles: int | None, overlap: int | None, *, batch_size: int = 16) -> TiledPredictor:
    """Return what predicts pictures in tiles.

    Args:
        predictor: the model.
        tiles: the longer side of a tile in pixels of the picture; it is resized to the model's image size. None: the
            model's own, so that nothing is resized.
        overlap: the pixels that neighbouring tiles share at least; None: an eighth of a tile.
        batch_size: the largest number of tiles per call of the model.

    Raises:
        DataError: the tiles are too large or too small, or their overlap is not smaller.
    """
    from tlkit.evaluation.tiled import TiledPredictor

    longer = max(predictor.card.image_size) if tiles is None else tiles
    return TiledPredictor(predictor, tiles, longer // 8 if overlap is None else overlap, batch_size)


def predict_each_in_tiles(
    predictor: TiledPredictor, images: Sequence[FoundImage], *, progress: StageProgress = no_progress
) -> Iterator[Prediction]:
    """Yield the prediction of each picture, in their order; a segmentation's have no masks.

    Args:
        predictor: the model and its tiles.
        images: the pictures.
        progress: called with how many of how many tiles of a picture are predicted.
    """
    from tlkit.evaluation.spread_predictor import SpreadPredictor

    if isinstance(predictor.predictor, SpreadPredictor):
        from tlkit.evaluation.spread_tiles import predicted_whole, spread_in_tiles

        with _smaller():
            yield from spread_in_tiles(predictor, images, predicted_whole, progress)
        return
    for image in images:
        with _smaller():
            prediction = predictor.predict(image.path, told=_told(image, progress))
        yield prediction


def write_predictions_in_tiles(
    predictor: TiledPredictor,
    images: Sequence[FoundImage],
    out: Path,
    *,
    overwrite: bool = False,
    failed: Callable[[Prediction], None] = lambda _prediction: None,
    progress: StageProgress = no_progress,
) -> int:
    """Predict pictures in tiles, and write the predictions.

    Args:
        predictor: the model and its tiles.
        images: the pictures.
        out: the CSV file (classification) or the folder (segmentation) to write.
        overwrite: replace files that exist.
        failed: called with the prediction of each picture that can't be decoded, which has an ``error``.
        progress: called with how many of how many tiles of a picture are predicted.

    Returns:
        the number of pictures that were predicted.

    Raises:
        DataError: a file exists already, or can't be written.
    """
    from tlkit.evaluation.spread_predictor import SpreadPredictor
    from tlkit.report.tiled_files import drawn_in_tiles, write_in_tiles

    options: dict[str, Any] = {"overwrite": overwrite, "failed": failed}
    if isinstance(predictor.predictor, SpreadPredictor):
        from tlkit.evaluation.spread_tiles import spread_in_tiles

        results = spread_in_tiles(predictor, images, drawn_in_tiles, progress)
        with _smaller():
            return write_in_tiles(predictor, images, out, **options, predict=lambda _image, _write: next(results))

    def predict(image: FoundImage, write: WriteMask) -> Prediction:
        with _smaller():
            return predictor.predict(image.path, write, _told(image, progress))

    return write_in_tiles(predictor, images, out, **options, predict=predict)


def _told(image: FoundImage, progress: StageProgress) -> Callable[[int, int], None]:
    return lambda done, total: progress(f"predicting {image.name} in tiles", done, total)
