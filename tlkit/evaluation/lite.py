"""The model of a run as LiteRT files, which answer without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from tlkit.errors import RunError
from tlkit.models.allowed import NotAllowed
from tlkit.models.engines import Engine
from tlkit.models.image_by_image import UnusableNetworkError
from tlkit.models.litert import LiteRTNetwork
from tlkit.models.scores import mean_logits
from tlkit.models.tasks import task_of_card
from tlkit.runs.card import Card
from tlkit.runs.checksums import NAME, is_lite_of_model
from tlkit.runs.folder import RunFolder
from tlkit.runs.reading import MAX_LITE_BYTES, read_run_file
from tlkit.system.memory import is_exhausted


class NotUsedError(RunError):
    """A LiteRT file is not used; the message says why."""


class LiteModel:
    """The networks of a run, or of the folds of a cross-validation, whose probabilities are averaged.

    It may be called from several threads at a time.

    Args:
        card: the model's card.
        contents: the bytes of the checked LiteRT files.
    """

    def __init__(self, card: Card, contents: Sequence[bytes]) -> None:
        self._networks = [LiteRTNetwork(content) for content in contents]
        self._exclusive = not task_of_card(card).independent_logits

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of images, computed in several threads: float32 (n, …, units) from (n, H, W, 3), 0-255."""
        with _told():
            return self._mean([network(images)[0] for network in self._networks])

    def of_one(self, image: np.ndarray) -> np.ndarray:
        """Return the logits of an image, computed in this thread: float32 (…, units) from (H, W, 3) in 0-255."""
        with _told():
            return self._mean([network.of_one(image)[0] for network in self._networks])

    def _mean(self, logits: list[np.ndarray]) -> np.ndarray:
        return logits[0] if len(logits) == 1 else mean_logits(logits, exclusive=self._exclusive)


@contextmanager
def _told() -> Iterator[None]:
    """Turn an error of the runtime, but one about memory, into one that says what to do."""
    try:
        yield
    except (RuntimeError, UnusableNetworkError) as error:
        if is_exhausted(error):
            raise
        name = RunFolder.lite.name
        raise RunError(f"{name}: LiteRT can't run it: {str(error).strip().splitlines()[0]}; remove {name}") from error


def open_lite(folders: Sequence[RunFolder], card: Card) -> LiteModel | None:
    """Open the LiteRT files of a run, or of the folds of a cross-validation.

    Args:
        folders: the run folders; they may be someone else's.
        card: the card that their models have in common.

    Returns:
        the model; None if a folder has no LiteRT file, as those of tlkit 0.2.0.

    Raises:
        NotUsedError: a file is damaged, contains what is not allowed, was not made of the ``model.keras`` beside
            it, or LiteRT is not installed.
    """
    if not all(folder.lite.is_file() for folder in folders):
        return None
    if Engine("litert").version is None:
        raise NotUsedError(f"{folders[0].lite}: ai-edge-litert is not installed")
    try:
        return LiteModel(card, [_content(folder, card) for folder in folders])
    except UnusableNetworkError as error:
        raise NotUsedError(f"{folders[0].lite}: {error}") from error


def _content(folder: RunFolder, card: Card) -> bytes:
    try:
        content = read_run_file(folder.lite, MAX_LITE_BYTES)
    except (RunError, OSError) as error:
        raise NotUsedError(str(error)) from error
    if not is_lite_of_model(folder.path):
        raise NotUsedError(f"{folder.lite}: was not made of this {folder.model.name}, by {NAME}")
    task = task_of_card(card)
    try:
        from tlkit.models.lite_check import check_lite

        check_lite(content, card.image_size, task.units, task.output_rank)
    except (NotAllowed, ImportError) as error:
        raise NotUsedError(f"{folder.lite}: {error}") from error
    return content
