"""A predictor whose images the workers of a cluster compute."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.cluster.blocks import in_blocks
from tlkit.cluster.parts import Crew, Fate, Work
from tlkit.cluster.progress import HERE
from tlkit.cluster.ray_cluster import ClusterOptions, joined
from tlkit.contracts import ImageSize
from tlkit.data.images.decode import Resize
from tlkit.data.images.reading import Reading
from tlkit.errors import DataError
from tlkit.evaluation.given_images import GivenImage
from tlkit.evaluation.judged_predictor import JudgedPredictor
from tlkit.evaluation.logits import Logits
from tlkit.evaluation.prediction import Prediction
from tlkit.evaluation.predictor import COMPARED, Predictor, decoded
from tlkit.evaluation.spread_logits import SpreadLogits
from tlkit.evaluation.worker_model import WorkerModel
from tlkit.runs.card import Card
from tlkit.system.text import counted

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

_BLOCKS = 64
"""Blocks into which a list is cut, where they have a good size."""
_LEAST, _MOST = 8, 256
"""The images of a block: starting on one takes milliseconds; a lost worker costs one, and the end of a pass waits for
one."""
_MOST_MASKS = 8
"""The same for masks, which are as large as the images."""

Draw = Callable[[Card, Prediction, Path], Prediction]
"""What a worker does with each prediction, given the image's file."""


class SpreadPredictor(Predictor):
    """A ``Predictor`` that has workers predict, each as the predictor of one process would.

    Args:
        opened: the same model opened in this process, which has checked it and chooses the engine.
        model: opens it in a worker.
        options: the cluster.
        say: called with a line when a worker joins or is lost.
    """

    def __init__(
        self, opened: Predictor, model: WorkerModel, options: ClusterOptions, say: Callable[[str], None]
    ) -> None:
        super().__init__(opened.card, opened._model, lite=opened._lite, notes=opened.notes)
        self.engine, self.columns = opened.engine, opened.columns
        self.say = say
        self.doing = "starting the workers"
        self.options = options
        self._opened = opened
        self._of_worker = model
        self._draw: Draw | None = None

    @contextmanager
    def drawing(self, draw: Draw) -> Iterator[None]:
        """Have the workers also call ``draw``, a function of a module, with each prediction within the context."""
        self._draw = draw
        try:
            yield
        finally:
            self._draw = None

    def predict_given(
        self, images: Iterable[GivenImage], batch_size: int, *, pixel_probabilities: bool = False
    ) -> Iterator[Prediction]:
        """Predict images lazily, in the given order."""
        if batch_size < 1:
            raise DataError(f"batch size: expected at least 1, received {batch_size}")
        given = iter(images)
        first = list(islice(given, COMPARED))
        if not first:
            return
        count = len(images) if isinstance(images, Sized) else None
        model = self.model_for(len(first) if count is None else count, lambda: decoded(map(self._read, first)))
        start = _Start(model, str(Path.cwd()), batch_size, pixel_probabilities, self._draw)
        blocks = _Cut(chain(first, given), self._block_size(count, batch_size), count)
        judged = unknown = 0
        for each in self._predicted(start, blocks):
            if each.error is None:
                judged, unknown = judged + 1, unknown + bool(each.unknown)
            yield each
        if isinstance(self._opened, JudgedPredictor):
            self.rules = self._opened.rules_for(judged, unknown)

    def model_for(self, count: int, first: Callable[[], np.ndarray]) -> WorkerModel:
        """Return the model as workers are to open it: all with the engine that this process chooses.

        Args:
            count: the number of images.
            first: as of ``LiteEngines.for_images``.
        """
        engine = "tensorflow"
        if self._lite is not None:
            chosen = self._engine_for(self._lite, count, first).engine
            engine = str(getattr(chosen, "name", "auto"))
        return replace(self._of_worker, engine=engine, processors=max(1, int(self.options.cpus)))

    def logits_of(self, data: Data, batch_size: int, rows: np.ndarray | None = None) -> Logits:
        """Return what has workers compute the logits of opened data: as of ``Predictor``."""
        rows = np.arange(0) if rows is None else rows
        model = self.model_for(len(rows), lambda: data.store.images[rows[:COMPARED]])
        return SpreadLogits(model, self.options, data, self._batch(batch_size), self.say)

    def _batch(self, batch_size: int) -> int:
        """Return how many images a worker computes together."""
        if self._lite is not None:
            return batch_size
        from tlkit.models.inference import images_at_once

        return min(batch_size, images_at_once(self.model))

    def _block_size(self, count: int | None, batch_size: int) -> int:
        """Return the number of images of a block, which depends on nothing but the list and the model.

        TensorFlow computes a batch together: where blocks consist of whole batches, no batch has other images than in
        one process.
        """
        most = _MOST_MASKS if self.card.task == "segmentation" else _MOST
        size = most if count is None else min(most, max(_LEAST, math.ceil(count / _BLOCKS)))
        batch = 1 if self._lite is not None else self._batch(batch_size)
        return batch * math.ceil(size / batch)

    def _predicted(self, start: _Start, blocks: _Cut) -> Iterator[Prediction]:
        with joined(self.options, self.say) as cluster:
            count = cluster.room if blocks.count is None else min(cluster.room, blocks.count)
            self.doing = f"predicting with {counted(count, 'worker')}"
            for results in in_blocks(cluster, Crew(start, _died, title=_title), blocks, blocks.count):
                for each in results:
                    yield each if isinstance(each, Prediction) else absent(each.prediction, each.host)


@dataclass(frozen=True)
class _Absent:
    """An image that a worker does not see.

    Args:
        prediction: the prediction, with its error.
        host: the worker's machine.
    """

    prediction: Prediction
    host: str


def absent(prediction: Prediction, host: str) -> Prediction:
    """Return the prediction of a file that a worker did not see, if it has vanished.

    Args:
        prediction: the prediction, with its error.
        host: the worker's machine.

    Raises:
        DataError: this process sees it.
    """
    assert prediction.path is not None
    if not os.path.exists(prediction.path):  # noqa: PTH110 - False for names that no file can have
        return prediction
    raise DataError(
        f"{prediction.path.absolute()}: {host} has no such file; expected the images at the same path on each machine "
        "of the cluster: in a folder that all of them mount"
    )


@dataclass(frozen=True, eq=False)
class _Watched(GivenImage):
    """An image of a block, of which a worker says that it is read.

    Args:
        place: its place in the block.
    """

    place: int

    def to_size(self, size: ImageSize, resize: Resize, reading: Reading) -> tuple[np.ndarray, ImageSize]:
        """Decode the image and resize it."""
        with HERE.reading(self.place):
            return super().to_size(size, resize, reading)


@dataclass(frozen=True)
class _Start:
    """Makes a worker ready to predict.

    Args:
        model: opens the model.
        folder: the folder that relative paths are relative to.
        batch_size, pixel_probabilities: as of ``Predictor.predict_given``.
        draw: also called with each prediction that has a mask.
    """

    model: WorkerModel
    folder: str
    batch_size: int
    pixel_probabilities: bool
    draw: Draw | None

    def __call__(self) -> Work[GivenImage, Prediction | _Absent]:
        """Open the model, and return what predicts a block."""
        predictor = self.model.open()

        def predict(images: Sequence[GivenImage]) -> Iterator[Prediction | _Absent]:
            given = [self._watched(place, each) for place, each in enumerate(images)]
            made = predictor.predict_given(given, self.batch_size, pixel_probabilities=self.pixel_probabilities)
            for asked, read, each in zip(images, given, made, strict=True):
                yield self._told(asked, read, each, predictor.card)

        return predict

    def _watched(self, place: int, each: GivenImage) -> _Watched:
        image = Path(self.folder, each.image) if isinstance(each.image, Path) else each.image
        return _Watched(image, each.title, place)

    def _told(self, asked: GivenImage, read: _Watched, made: Prediction, card: Card) -> Prediction | _Absent:
        """Return a prediction with the path as the user gave it."""
        if not isinstance(read.image, Path):
            return made
        if made.error is not None:
            made = replace(made, path=asked.path, error=made.error.replace(str(read.image), str(asked.image)))
            if not os.path.exists(read.image):  # noqa: PTH110
                return _Absent(made, self.model.host())
            return made
        if self.draw is not None:
            with HERE.reading(read.place):
                made = self.draw(card, made, read.image)
        return replace(made, path=asked.path)


def _died(image: GivenImage, fate: Fate) -> Prediction:
    return Prediction(image.path, error=f"{image.title}: {fate.what}")


def _title(image: GivenImage) -> str:
    return image.title


class _Cut:
    """The blocks of a list of images, whose number is known if that of the images is."""

    def __init__(self, images: Iterator[Any], size: int, count: int | None) -> None:
        self._images, self._size = images, size
        self.count = None if count is None else math.ceil(count / size)

    def __iter__(self) -> Iterator[list[Any]]:
        while block := list(islice(self._images, self._size)):
            yield block
