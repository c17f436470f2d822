"""A trained model, loaded from its run folder and used on files. No code from the folder is executed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.data.images.decode import restore_mask
from tlkit.data.images.reading import Reading, reading_of
from tlkit.errors import DataError, RunError
from tlkit.evaluation.by_task import task_evaluation
from tlkit.evaluation.engine_option import EngineOption
from tlkit.evaluation.given_images import GivenImage, Images, given_images
from tlkit.evaluation.image_model import Engines, ImageModel
from tlkit.evaluation.inference import Inference
from tlkit.evaluation.keras_model import load_keras_model
from tlkit.evaluation.lite_engines import check_engine
from tlkit.evaluation.lite_files import NotUsedError, open_lite
from tlkit.evaluation.logits import Logits, LogitsOfImages, logits_of_model
from tlkit.evaluation.memory import explained_memory
from tlkit.evaluation.prediction import Prediction, mask_bytes
from tlkit.models.engines import LITERT, TENSORFLOW
from tlkit.models.tasks import task_of_card
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.system.parallel import in_threads, usable_processors

if TYPE_CHECKING:
    from tlkit.data.run_data import Data

COMPARED = 2
"""Images on which OpenVINO is compared with LiteRT."""
_AHEAD = 2
"""Batches decoded in advance while one is predicted."""
_Read = tuple[np.ndarray, tuple[int, int]] | str
"""An image at the model's size and the original's (height, width), or why it could not be decoded."""


class Predictor:
    """A trained model ready for use. Image size, classes and preprocessing come from the run folder.

    Args:
        card: the model's card.
        model: the Keras model, from float32 (N, H, W, 3) in 0-255 to logits; or what loads it when it is first needed.
        lite: the same model without TensorFlow, which then answers.
        notes: remarks for the user, such as why there is no ``lite``.

    Attributes:
        notes: remarks for the user.
        engine: what computed the last images: TensorFlow, LiteRT or OpenVINO.
        doing: what is said meanwhile; ``say`` is called with more.
        columns: what a ``JudgedPredictor`` also says of each image.
        rules: how many images were unknown, and by which rules that is said; once all are predicted.
    """

    doing = "predicting"
    say: Callable[[str], None] = staticmethod(lambda _line: None)
    columns: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def __init__(self, card: Card, model: Any, *, lite: Engines | None = None, notes: tuple[str, ...] = ()) -> None:
        self.card = card
        self.notes = notes
        self.engine = str(TENSORFLOW if lite is None else LITERT)
        self._model = model
        self._lite = lite
        self._make_inference: Callable[..., Inference] = Inference
        self._inferences: dict[int, Inference] = {}

    @classmethod
    def open(
        cls, run: Path, *, trust: bool = False, registry: Registry | None = None, engine: EngineOption = "auto"
    ) -> Predictor:
        """Load the model of a run folder.

        Args:
            run: the run folder.
            trust: allow layers of plugins, whose code is executed; without it, no code of the model is.
            registry: the plugins that are loaded, for the message about one that is missing.
            engine: what computes the images; ``auto``: without ``trust`` LiteRT or OpenVINO, if there is a LiteRT
                file, otherwise TensorFlow.

        Raises:
            RunError: the folder is not a finished run, or its model is damaged or does not match its card, or the
                engine can't compute it.
            DataError: there is no such engine, or its package is missing.
        """
        check_engine(engine, trust=trust)
        folder = RunFolder(Path(run))
        card = folder.read_card()
        load = partial(load_keras_model, folder, card, trust, registry)
        return cls.of_folders(card, [folder], load, engine="tensorflow" if trust else engine)

    @classmethod
    def of_folders(
        cls, card: Card, folders: Sequence[RunFolder], load: Callable[[], Any], *, engine: EngineOption = "auto"
    ) -> Predictor:
        """Open the LiteRT files of some run folders that are used together, or load their Keras models.

        Args:
            card: the card of all of them.
            folders: the run folders.
            load: loads their Keras models as one.
            engine: what computes the images: ``auto`` uses the LiteRT files, where there are any.

        Raises:
            RunError: a folder has no model, or one that is damaged or does not match its card, or that the engine
                can't compute.
        """
        for folder in folders:
            if not folder.model.is_file():
                raise RunError(f"{folder.model}: no such file; the run has not finished, or the file was removed")
        notes: tuple[str, ...] = ()
        if engine != "tensorflow":
            try:
                opened = open_lite(folders, card, engine)
            except NotUsedError as error:
                if engine != "auto":
                    raise RunError(f'{error}; engine "{engine}" needs it; expected engine "tensorflow"') from error
                notes = (f"{error}; {folders[0].model.name} is used instead, which takes TensorFlow",)
            else:
                if opened is not None:
                    return cls(card, _Later(load), lite=opened)
        return cls(card, load(), notes=notes)

    @property
    def model(self) -> Any:
        """The Keras model, from float32 (N, H, W, 3) in 0-255 to logits."""
        if isinstance(self._model, _Later):
            self._model = self._model.load()
        return self._model

    def logits_of(self, data: Data, batch_size: int, rows: np.ndarray | None = None) -> Logits:
        """Return what computes the logits of opened data.

        Args:
            data: the opened data.
            batch_size: the largest number of images at a time.
            rows: int (N,) the row numbers of the images that will be computed, if they are known.
        """
        if self._lite is not None:
            rows = np.arange(0) if rows is None else rows
            lite = self._engine_for(self._lite, len(rows), lambda: data.store.images[rows[:COMPARED]])
            return LogitsOfImages(lite, data, batch_size, calls=2)
        return logits_of_model(self.model, self.card, data, batch_size)

    def _engine_for(self, lite: Engines, count: int, first: Callable[[], np.ndarray]) -> ImageModel:
        notes: list[str] = []
        model = lite.for_images(count, first, notes.append)
        self.engine, self.notes = str(model.engine), (*self.notes, *notes)
        return model

    @property
    def reading(self) -> Reading:
        """How files are read: as when the model was trained."""
        return reading_of(self.card)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the class numbers."""
        return self.card.classes

    def predict(self, images: Images, *, batch_size: int = 16, pixel_probabilities: bool = False) -> list[Prediction]:
        """Predict images: files, folders that are searched at any depth, or images in memory.

        An image of Pillow and encoded bytes are read as a file is, with the EXIF orientation.

        Args:
            images: the path of a file or folder; encoded bytes, or a file opened in binary mode; an image of Pillow; an
                array, uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), 0-255, RGB or RGBA, or uint16 (H, W), read as an
                image of 16 bits is, or a batch of them (N, H, W, channels); or an iterable of these.
            batch_size: the largest number of images per call of the model.
            pixel_probabilities: segmentation: also return the probability of each class at each pixel, which takes
                4 bytes per class and pixel of the image.

        Returns:
            one prediction per image, in their order; a file that can't be decoded has an ``error``.

        Raises:
            DataError: a path does not exist, no image was found, or something else than an image was given.
            RunError: the model needs more memory than there is.
        """
        return list(self.predict_batches(images, batch_size=batch_size, pixel_probabilities=pixel_probabilities))

    def predict_batches(
        self, images: Images, *, batch_size: int = 16, pixel_probabilities: bool = False
    ) -> Iterator[Prediction]:
        """Predict like ``predict``, but lazily: at most a few batches are in memory, also of a generator of images."""
        if pixel_probabilities and self.card.task != "segmentation":
            raise DataError("pixel_probabilities: the model predicts no classes of pixels; expected False")
        return self.predict_given(given_images(images), batch_size, pixel_probabilities=pixel_probabilities)

    def predict_files(self, files: Iterable[Path], *, batch_size: int = 16) -> Iterator[Prediction]:
        """Predict files lazily, in the given order; unlike ``predict``, folders are not searched."""
        given = (GivenImage(file, str(file)) for file in files)
        return self.predict_given(list(given) if isinstance(files, Sized) else given, batch_size)

    def predict_given(
        self, images: Iterable[GivenImage], batch_size: int, *, pixel_probabilities: bool = False
    ) -> Iterator[Prediction]:
        """Predict images lazily, in the given order."""
        if batch_size < 1:
            raise DataError(f"batch size: expected at least 1, received {batch_size}")
        if self._lite is not None:
            yield from self._predict_each(self._lite, images, batch_size, pixel_probabilities=pixel_probabilities)
            return
        from tlkit.models.inference import images_at_once

        batch_size = min(batch_size, images_at_once(self.model))
        if batch_size not in self._inferences:
            self._inferences[batch_size] = self._make_inference(self.model, self.card, batch_size)
        inference = self._inferences[batch_size]
        threads = min(8, os.cpu_count() or 1)
        ahead = math.ceil(_AHEAD * batch_size / threads)
        read = in_threads(
            lambda given: (given.path, self._read(given)), images, name="tlkit-decode", ahead=ahead, threads=threads
        )
        while part := list(islice(read, batch_size)):
            yield from self._predict_part(part, inference, pixel_probabilities=pixel_probabilities)

    def _predict_each(
        self, engines: Engines, images: Iterable[GivenImage], batch_size: int, *, pixel_probabilities: bool
    ) -> Iterator[Prediction]:
        """Predict images one by one in each thread, from decoding to the result; one alone in the calling thread."""
        given = iter(images)
        start = list(islice(given, COMPARED))
        count = len(images) if isinstance(images, Sized) else len(start)  # of a generator nobody knows
        lite = self._engine_for(engines, count, lambda: decoded(map(self._read, start)))
        threads = 1 if len(start) < 2 else min(usable_processors(), batch_size)
        predicted = task_evaluation(self.card).prediction
        task = task_of_card(self.card)

        def predict(given: GivenImage) -> tuple[Prediction, tuple[int, int], np.ndarray | None]:
            read = self._read(given)
            if isinstance(read, str):
                return Prediction(given.path, error=read), (0, 0), None
            image, size = read
            with explained_memory(self.card, threads, threads):
                probabilities = task.probabilities(lite.of_one(image))
            kept = probabilities if pixel_probabilities else None
            return predicted(given.path, probabilities, size, self.card), size, kept

        parts = chain(start, given)
        size = mask_bytes if self.card.task == "segmentation" else None
        results = (
            map(predict, parts)
            if threads == 1
            else in_threads(predict, parts, name="tlkit-predict", ahead=_AHEAD, threads=threads, size=size)
        )
        for prediction, shape, kept in results:
            yield prediction if kept is None else _with_pixels(prediction, kept, shape, self.card)

    def _read(self, given: GivenImage) -> _Read:
        try:
            return given.to_size(self.card.image_size, self.card.resize, self.reading)
        except DataError as error:
            return str(error)

    def _predict_part(
        self, part: Sequence[tuple[Path | None, _Read]], inference: Inference, *, pixel_probabilities: bool
    ) -> Iterator[Prediction]:
        images = [read[0] for _, read in part if not isinstance(read, str)]
        with explained_memory(self.card, len(images), inference.batch_size):
            results = iter(inference.probabilities(np.stack(images)) if images else ())
        predicted = task_evaluation(self.card).prediction
        for path, read in part:
            if isinstance(read, str):
                yield Prediction(path, error=read)
                continue
            probabilities = next(results)
            prediction = predicted(path, probabilities, read[1], self.card)
            yield _with_pixels(prediction, probabilities, read[1], self.card) if pixel_probabilities else prediction


def decoded(read: Iterable[_Read]) -> np.ndarray:
    """Return those images that could be decoded, uint8 (n, H, W, 3)."""
    images = [each[0] for each in read if not isinstance(each, str)]
    return np.stack(images) if images else np.empty((0, 1, 1, 3), np.uint8)


def _with_pixels(prediction: Prediction, probabilities: np.ndarray, size: tuple[int, int], card: Card) -> Prediction:
    """Add the probabilities of all pixels, which are large, one image at a time."""
    return replace(prediction, pixel_probabilities=restore_mask(probabilities, size, card.resize))


@dataclass(frozen=True)
class _Later:
    """A Keras model that is loaded when it is first needed."""

    load: Callable[[], Any]
