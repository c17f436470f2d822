"""A trained model, loaded from its run folder and used on files. No code from the folder is executed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.data.images.decode import decode_to_size
from tlkit.errors import DataError, RunError
from tlkit.evaluation.by_task import task_evaluation
from tlkit.evaluation.inference import Inference
from tlkit.evaluation.memory import explained_memory
from tlkit.evaluation.prediction import Prediction
from tlkit.files import SUFFIXES, images_in
from tlkit.models.inference import images_at_once
from tlkit.models.safe_load import NotAllowedError, load_model_file
from tlkit.models.tasks import task_of_card
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.plugins import missing_plugins
from tlkit.system.parallel import in_threads

Paths = str | Path | Iterable[str | Path]

_AHEAD = 2
"""Batches decoded in advance while one is predicted."""
_Read = tuple[np.ndarray, tuple[int, int]] | str
"""An image at the model's size and the original's (height, width), or why it could not be decoded."""


@dataclass(frozen=True)
class FoundImage:
    """An image to predict.

    Args:
        path: the file.
        name: its path relative to the folder that was given, with ``/`` between the parts.
    """

    path: Path
    name: str


def find_images(paths: Paths) -> list[FoundImage]:
    """Return the given files as they are, and the images in given folders at any depth, sorted.

    Images in folders are recognised by their suffix; hidden files are skipped.

    Raises:
        DataError: a path does not exist, or no image was found.
    """
    named = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    images: dict[Path, FoundImage] = {}
    for path in named:
        if path.is_dir():
            prefix = f"{path.resolve().name}/" if len(named) > 1 else ""
            for file in images_in(path):
                images.setdefault(file, FoundImage(file, prefix + file.relative_to(path).as_posix()))
        elif path.is_file():
            images.setdefault(path, FoundImage(path, path.name))
        else:
            raise DataError(f"{path}: no such file or folder; expected images or folders of images")
    if not images:
        suffixes = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{', '.join(map(str, named)) or 'no path was given'}: no images found; looked for {suffixes}")
    return list(images.values())


class Predictor:
    """A trained model ready for use. Image size, classes and preprocessing come from the run folder.

    Args:
        card: the model's card.
        model: the Keras model.
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
            model = load_model_file(folder.model, trust=trust)
        except NotAllowedError as error:
            raise RunError("; ".join([str(error), *missing_plugins(folder, registry)])) from error
        _check_model(folder.model, model, card)
        return cls(card, model)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the class numbers."""
        return self.card.classes

    def predict(self, paths: Paths, *, batch_size: int = 16) -> list[Prediction]:
        """Predict the given files, and the images in given folders at any depth.

        Args:
            paths: one or more files or folders.
            batch_size: the largest number of images per call of the model.

        Returns:
            one prediction per image; a file that can't be decoded has an ``error``.

        Raises:
            DataError: a path does not exist, or no image was found.
        """
        return list(self.predict_batches(paths, batch_size=batch_size))

    def predict_batches(self, paths: Paths, *, batch_size: int = 16) -> Iterator[Prediction]:
        """Predict like ``predict``, but lazily: at most a few batches are in memory."""
        return self.predict_files([each.path for each in find_images(paths)], batch_size=batch_size)

    def predict_files(self, files: Sequence[Path], *, batch_size: int = 16) -> Iterator[Prediction]:
        """Predict files lazily, in the given order; unlike ``predict``, folders are not searched."""
        if batch_size < 1:
            raise DataError(f"batch size: expected at least 1, received {batch_size}")
        batch_size = min(batch_size, images_at_once(self.model))
        if batch_size not in self._inferences:
            self._inferences[batch_size] = Inference(self.model, self.card, batch_size)
        inference = self._inferences[batch_size]
        threads = min(8, os.cpu_count() or 1)
        ahead = math.ceil(_AHEAD * batch_size / threads)
        read = in_threads(self._read, files, name="tlkit-decode", ahead=ahead, threads=threads)
        for start in range(0, len(files), batch_size):
            part = files[start : start + batch_size]
            yield from self._predict_part(part, list(islice(read, len(part))), inference)

    def _read(self, path: Path) -> _Read:
        try:
            return decode_to_size(path, None, self.card.image_size, self.card.resize)
        except DataError as error:
            return str(error)

    def _predict_part(self, files: Sequence[Path], read: Sequence[_Read], inference: Inference) -> Iterator[Prediction]:
        images = [each[0] for each in read if not isinstance(each, str)]
        with explained_memory(self.card, len(images), inference.batch_size):
            results = iter(inference.probabilities(np.stack(images)) if images else ())
        predicted = task_evaluation(self.card).prediction
        for path, each in zip(files, read, strict=True):
            if isinstance(each, str):
                yield Prediction(path, error=each)
            else:
                yield predicted(path, next(results), each[1], self.card)


def _check_model(path: Path, model: Any, card: Card) -> None:
    task = task_of_card(card)
    inputs, outputs = tuple(model.input_shape), tuple(model.output_shape)
    expected = (None, *card.image_size, 3)
    if inputs != expected or outputs[-1] != task.units or len(outputs) != task.output_rank:
        raise RunError(
            f"{path}: does not match model.json: expected input {expected} and {task.units} logits, "
            f"received input {inputs} and output {outputs}"
        )
