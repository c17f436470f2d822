"""Pictures in tiles, predicted by the workers of a cluster: a picture each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tlkit.cluster.blocks import in_blocks
from tlkit.cluster.parts import Crew, Fate, Work
from tlkit.cluster.progress import HERE, read_one_by_one
from tlkit.cluster.ray_cluster import joined
from tlkit.evaluation.found_images import FoundImage
from tlkit.evaluation.prediction import Prediction
from tlkit.evaluation.spread_predictor import SpreadPredictor, absent
from tlkit.evaluation.tiled import TiledPredictor, WriteMask, count_classes, tell_nobody
from tlkit.evaluation.tiled import Told as TilesTold
from tlkit.evaluation.worker_model import WorkerModel
from tlkit.system.text import counted

PredictPicture = Callable[[TiledPredictor, Path], Prediction]
"""Predicts a picture in a worker: a function of a module."""
Told = Callable[[str, int, int], None]
"""Called with what is done, and how many of how many pictures are predicted."""


def predicted_whole(predictor: TiledPredictor, picture: Path) -> Prediction:
    """Return the prediction of a picture, without a mask."""
    return predictor.predict(picture)


def spread_in_tiles(
    tiled: TiledPredictor, images: Sequence[FoundImage], predict: PredictPicture, told: Told
) -> Iterator[Prediction]:
    """Yield the prediction of each picture, in their order.

    Args:
        tiled: the tiles, and a ``SpreadPredictor``.
        images: the pictures.
        predict: predicts one.
        told: called after each picture.
    """
    predictor = tiled.predictor
    assert isinstance(predictor, SpreadPredictor)
    if not images:
        return
    # As in one process, where the tiles of a picture come one by one.
    model = predictor.model_for(2, lambda: np.empty((0, 1, 1, 3), np.uint8))
    crew = Crew(_Start(model, str(Path.cwd()), tiled.asked, predict), _died, "pictures", str)
    with joined(predictor.options, predictor.say) as cluster:
        doing = f"predicting in tiles with {counted(min(cluster.room, len(images)), 'worker')}"
        results = in_blocks(cluster, crew, ([each.path] for each in images), len(images))
        for done, [(prediction, notes, host)] in enumerate(results, 1):
            predictor.notes = (*predictor.notes, *notes)
            told(doing, done, len(images))
            yield absent(prediction, host) if host else prediction


class _Watched(TiledPredictor):
    """A ``TiledPredictor`` of a worker, which says of each tile that it goes on."""

    def predict(self, path: Path, write: WriteMask = count_classes, told: TilesTold = tell_nobody) -> Prediction:
        """Predict a picture."""

        def went_on(done: int, total: int) -> None:
            HERE.went_on()
            told(done, total)

        return super().predict(path, write, went_on)


@dataclass(frozen=True)
class _Start:
    """Makes a worker ready to predict pictures.

    Args:
        model: opens the model.
        folder: the folder that relative paths are relative to.
        tiles: what a ``TiledPredictor`` takes besides the model.
        predict: predicts a picture.
    """

    model: WorkerModel
    folder: str
    tiles: tuple[int | None, int, int]
    predict: PredictPicture

    def __call__(self) -> Work[Path, tuple[Prediction, tuple[str, ...], str]]:
        """Open the model, and return what predicts pictures: also remarks, and the machine that lacks a file."""
        tiled = _Watched(self.model.open(), *self.tiles)
        return lambda pictures: (self._told(tiled, each) for each in read_one_by_one(pictures))

    def _told(self, tiled: TiledPredictor, picture: Path) -> tuple[Prediction, tuple[str, ...], str]:
        """Predict a picture, and name it as the user did."""
        path = Path(self.folder, picture)
        before = len(tiled.predictor.notes)
        made = self.predict(tiled, path)
        notes = tuple(each.replace(str(path), str(picture)) for each in tiled.predictor.notes[before:])
        if made.error is None:
            return replace(made, path=picture), notes, ""
        host = "" if path.exists() else self.model.host()
        return replace(made, path=picture, error=made.error.replace(str(path), str(picture))), notes, host


def _died(picture: Path, fate: Fate) -> tuple[Prediction, tuple[str, ...], str]:
    return Prediction(picture, error=f"{picture}: {fate.what}"), (), ""
