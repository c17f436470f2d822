"""A trained model, loaded from its run folder and used on files. No code from the folder is executed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.data.images.decode import decode_to_size, restore_mask
from tlkit.data.images.reading import Reading, reading_of
from tlkit.errors import DataError, RunError
from tlkit.evaluation.by_task import task_evaluation
from tlkit.evaluation.given_images import GivenImage, Images, given_images
from tlkit.evaluation.inference import Inference
from tlkit.evaluation.memory import explained_memory
from tlkit.evaluation.prediction import Prediction
from tlkit.models.inference import images_at_once
from tlkit.models.outputs import logits_model
from tlkit.models.safe_load import NotAllowedError, load_model_file
from tlkit.models.tasks import task_of_card
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.plugins import missing_plugins
from tlkit.system.parallel import in_threads

_AHEAD = 2
"""Batches decoded in advance while one is predicted."""
_Read = tuple[np.ndarray, tuple[int, int]] | str
"""An image at the model's size and the original's (height, width), or why it could not be decoded."""


class Predictor:
    """A trained model ready for use. Image size, classes and preprocessing come from the run folder.

    Args:
        card: the model's card.
        model: the Keras model, from float32 (N, H, W, 3) in 0-255 to logits.
    """

    def __init__(self, card: Card, model: Any) -> None:
        self.card = card
        self.model = model
        self._inferences: dict[int, Inference] = {}

    @classmethod
    def open(cls, run: Path, *, trust: bool = False, registry: Registry | None = None) -> Predictor:
        """Load the model of a run folder.

        Args:
            run: the run folder.
            trust: allow layers of plugins, whose code is executed; without it, no code of the model is.
            registry: the plugins that are loaded, for the message about one that is missing.

        Raises:
            RunError: the folder is not a finished run, or its model is damaged or does not match its card.
        """
        folder = RunFolder(Path(run))
        card = folder.read_card()
        if not folder.model.is_file():
            raise RunError(f"{folder.model}: no such file; the run has not finished, or the file was removed")
        try:
            model = logits_model(load_model_file(folder.model, trust=trust))
        except NotAllowedError as error:
            raise RunError("; ".join([str(error), *missing_plugins(folder, registry)])) from error
        _check_model(folder.model, model, card)
        return cls(card, model)

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
        return self._predict(given_images(images), batch_size, pixel_probabilities=pixel_probabilities)

    def predict_files(self, files: Iterable[Path], *, batch_size: int = 16) -> Iterator[Prediction]:
        """Predict files lazily, in the given order; unlike ``predict``, folders are not searched."""
        given = (GivenImage(file, str(file)) for file in files)
        return self._predict(given, batch_size, pixel_probabilities=False)

    def _predict(
        self, images: Iterable[GivenImage], batch_size: int, *, pixel_probabilities: bool
    ) -> Iterator[Prediction]:
        if batch_size < 1:
            raise DataError(f"batch size: expected at least 1, received {batch_size}")
        batch_size = min(batch_size, images_at_once(self.model))
        if batch_size not in self._inferences:
            self._inferences[batch_size] = Inference(self.model, self.card, batch_size)
        inference = self._inferences[batch_size]
        threads = min(8, os.cpu_count() or 1)
        ahead = math.ceil(_AHEAD * batch_size / threads)
        read = in_threads(
            lambda given: (given.path, self._read(given)), images, name="tlkit-decode", ahead=ahead, threads=threads
        )
        while part := list(islice(read, batch_size)):
            yield from self._predict_part(part, inference, pixel_probabilities=pixel_probabilities)

    def _read(self, given: GivenImage) -> _Read:
        try:
            size, resize = self.card.image_size, self.card.resize
            if given.path is None:
                return given.to_size(size, resize, self.reading)
            return decode_to_size(given.path, None, size, resize, self.reading)
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
            if pixel_probabilities:
                full_size = restore_mask(probabilities, read[1], self.card.resize)
                prediction = replace(prediction, pixel_probabilities=full_size)
            yield prediction


def _check_model(path: Path, model: Any, card: Card) -> None:
    task = task_of_card(card)
    inputs, outputs = tuple(model.input_shape), tuple(model.output_shape)
    expected = (None, *card.image_size, 3)
    if inputs != expected or outputs[-1] != task.units or len(outputs) != task.output_rank:
        raise RunError(
            f"{path}: does not match model.json: expected input {expected} and {task.units} logits, "
            f"received input {inputs} and output {outputs}"
        )
