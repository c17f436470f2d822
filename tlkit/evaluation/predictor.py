"""A trained model, read from its run folder and used on files. Nothing of the folder is executed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tlkit.data.images.decode import decode_to_size, restore_mask
from tlkit.errors import DataError, RunError
from tlkit.evaluation.evaluator import Inference
from tlkit.files import SUFFIXES, images_in
from tlkit.models.inference import images_at_once
from tlkit.models.safe_load import NotAllowedError, load_model_file
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.plugins import missing_plugins
from tlkit.system.parallel import in_threads

Paths = str | Path | Iterable[str | Path]

_AHEAD = 2
"""Batches that are decoded while one is predicted."""
_Read = tuple[np.ndarray, tuple[int, int]] | str
"""An image at the model's size with the original's (height, width), or why it could not be decoded."""


@dataclass(frozen=True)
class Prediction:
    """What the model says of a file.

    Args:
        path: of the file.
        label: the class's name; the names joined by ``|`` for several labels; None for segmentation and on an error.
        labels: the names, one by one.
        probabilities: class name → probability in 0-1; empty for segmentation and on an error.
        mask: uint8 (H, W) class numbers at the image's own size; None for classification and on an error.
        error: why the file could not be decoded; None when it was.
    """

    path: Path
    label: str | None = None
    labels: tuple[str, ...] = ()
    probabilities: dict[str, float] = field(default_factory=dict)
    mask: np.ndarray | None = None
    error: str | None = None

    @property
    def probability(self) -> float | None:
        """Of the label; None where there is not exactly one."""
        return self.probabilities[self.labels[0]] if len(self.labels) == 1 else None


@dataclass(frozen=True)
class FoundImage:
    """An image to predict.

    Args:
        path: of the file.
        name: its path below the folder that was named, with ``/`` between its parts.
    """

    path: Path
    name: str


def find_images(paths: Paths) -> list[FoundImage]:
    """Files as they are named, and the images in folders at any depth (by suffix; hidden ones are left out), sorted.

    Raises:
        DataError: a path doesn't exist, or there is no image at all.
    """
    named = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    found: dict[Path, FoundImage] = {}
    for path in named:
        if path.is_dir():
            prefix = f"{path.resolve().name}/" if len(named) > 1 else ""
            for file in images_in(path):
                found.setdefault(file, FoundImage(file, prefix + file.relative_to(path).as_posix()))
        elif path.is_file():
            found.setdefault(path, FoundImage(path, path.name))
        else:
            raise DataError(f"{path}: no such file or folder; expected images or folders of images")
    if not found:
        suffixes = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{', '.join(map(str, named)) or 'no path was given'}: no images found; looked for {suffixes}")
    return list(found.values())


class Predictor:
    """A trained model ready for use. Sizes, classes and preprocessing come from the run folder.

    Args:
        card: of the model.
        model: the Keras model.
    """

    def __init__(self, card: Card, model: Any) -> None:
        self.card = card
        self.model = model
        self._inferences: dict[int, Inference] = {}

    @classmethod
    def open(cls, run: Path, *, trust: bool = False) -> Predictor:
        """Read a run folder. Nothing of it is executed, unless ``trust`` is set and a plugin's layer is in it.

        Raises:
            RunError: it is no finished run folder, or its model is damaged or doesn't fit its card.
        """
        folder = RunFolder(Path(run))
        card = folder.read_card()
        if not folder.model.is_file():
            raise RunError(f"{folder.model}: no such file; the run has not ended, or it was removed")
        try:
            model = load_model_file(folder.model, trust=trust)
        except NotAllowedError as error:
            raise RunError("; ".join([str(error), *missing_plugins(folder)])) from error
        _check_model(folder.model, model, card)
        return cls(card, model)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the class numbers."""
        return self.card.classes

    def predict(self, paths: Paths, *, batch_size: int = 16) -> list[Prediction]:
        """Predict files, and the images in folders at any depth.

        Args:
            paths: files or folders, one or many.
            batch_size: images at a time, at the most.

        Returns:
            a prediction for each image; a file that can't be decoded has an ``error``.

        Raises:
            DataError: a path doesn't exist, or there is no image.
        """
        return list(self.predict_batches(paths, batch_size=batch_size))

    def predict_batches(self, paths: Paths, *, batch_size: int = 16) -> Iterator[Prediction]:
        """As ``predict``, one after the other: at most a batch is in memory."""
        return self.predict_files([each.path for each in find_images(paths)], batch_size=batch_size)

    def predict_files(self, files: Sequence[Path], *, batch_size: int = 16) -> Iterator[Prediction]:
        """Predict files in their order, one after the other; ``files`` are not looked up in folders."""
        if batch_size < 1:
            raise DataError(f"batch size: expected at least 1, received {batch_size}")
        batch_size = min(batch_size, images_at_once(self.model))
        inference = self._inferences.setdefault(batch_size, Inference(self.model, self.card, batch_size))
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
        try:
            results = iter(inference.probabilities(np.stack(images)) if images else ())
        except tf.errors.ResourceExhaustedError as error:
            fewer = f", or give fewer at a time than {inference.batch_size}" if inference.batch_size > 1 else ""
            raise RunError(
                f"{self.card.name}: a layer of the model wants more memory than there is for {len(images)} images of "
                f"{'×'.join(map(str, self.card.image_size))} pixels; use a machine with more{fewer}"
            ) from error
        for path, each in zip(files, read, strict=True):
            if isinstance(each, str):
                yield Prediction(path, error=each)
            elif self.card.task == "segmentation":
                yield Prediction(path, mask=full_size_mask(next(results), each[1], self.card))
            else:
                yield self._classified(path, next(results))

    def _classified(self, path: Path, probabilities: np.ndarray) -> Prediction:
        shares = {name: float(value) for name, value in zip(self.classes, probabilities, strict=True)}
        if self.card.label_kind == "multi":
            labels = tuple(name for name, share in shares.items() if share > 0.5)
        else:
            labels = (self.classes[int(probabilities.argmax())],)
        return Prediction(path, "|".join(labels), labels, shares)


def full_size_mask(probabilities: np.ndarray, size: tuple[int, int], card: Card) -> np.ndarray:
    """The most probable class of each pixel of the original image, probabilities interpolated bilinearly.

    One class after the other, so that a large photograph with many classes fits in memory.

    Args:
        probabilities: float32 (h, w, classes) at the model's size.
        size: (height, width) of the original.
        card: of the model.

    Returns:
        uint8 (height, width).
    """
    best = np.full(size, -1.0, np.float32)
    mask = np.zeros(size, np.uint8)
    for number in range(probabilities.shape[-1]):
        share = restore_mask(probabilities[..., number : number + 1], size, card.resize)[..., 0]
        greater = share > best
        mask[greater] = number
        best[greater] = share[greater]
    return mask


def _check_model(path: Path, model: Any, card: Card) -> None:
    units = 1 if card.task == "classification" and card.label_kind == "binary" else len(card.classes)
    inputs, outputs = tuple(model.input_shape), tuple(model.output_shape)
    expected = (None, *card.image_size, 3)
    if inputs != expected or outputs[-1] != units or len(outputs) != (4 if card.task == "segmentation" else 2):
        raise RunError(
            f"{path}: doesn't fit model.json: expected input {expected} and {units} logits, "
            f"received input {inputs} and output {outputs}"
        )
