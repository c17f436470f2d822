"""The model of a run in LiteRT's format, which LiteRT or OpenVINO computes without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from tlkit.errors import RunError
from tlkit.models.engines import LITERT, Engine
from tlkit.models.image_by_image import ImageByImage, UnusableNetworkError
from tlkit.models.litert import LiteRTNetwork
from tlkit.models.scores import mean_logits
from tlkit.models.tasks import task_of_card
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.system.memory import is_exhausted


class LiteModel:
    """The networks of a run, or of the folds of a cross-validation, whose probabilities are averaged.

    It may be called from several threads at a time.

    Args:
        card: the model's card.
        contents: the bytes of the checked LiteRT files.
        engine: what computes them: LiteRT, or OpenVINO.

    Raises:
        UnusableNetworkError: the engine can't run them.
    """

    def __init__(self, card: Card, contents: Sequence[bytes], engine: Engine = LITERT) -> None:
        self.engine = engine
        self._networks = [_network(content, engine) for content in contents]
        self._exclusive = not task_of_card(card).independent_logits

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of images, computed in several threads: float32 (n, …, units) from (n, H, W, 3), 0-255."""
        with _told(self.engine):
            return self._mean([network(images)[0] for network in self._networks])

    def of_one(self, image: np.ndarray) -> np.ndarray:
        """Return the logits of an image, computed in this thread: float32 (…, units) from (H, W, 3) in 0-255."""
        with _told(self.engine):
            return self._mean([network.of_one(image)[0] for network in self._networks])

    def _mean(self, logits: list[np.ndarray]) -> np.ndarray:
        return logits[0] if len(logits) == 1 else mean_logits(logits, exclusive=self._exclusive)


def _network(content: bytes, engine: Engine) -> ImageByImage:
    if engine == LITERT:
        return LiteRTNetwork(content)
    from tlkit.models.openvino_network import OpenVINONetwork

    return OpenVINONetwork(content)


@contextmanager
def _told(engine: Engine) -> Iterator[None]:
    """Turn an error of the runtime, but one about memory, into one that says what to do."""
    try:
        yield
    except (RuntimeError, UnusableNetworkError) as error:
        if is_exhausted(error):
            raise
        why = str(error).strip().splitlines()[0]
        raise RunError(
            f"{RunFolder.lite.name}: {engine} can't run it: {why}; expected another engine, such as tensorflow"
        ) from error
