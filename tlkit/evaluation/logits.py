"""Where the logits that are measured come from: a network that is given images, or a head that is given features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tlkit.data.store.rows import in_batches
from tlkit.evaluation.inference import Inference
from tlkit.runs.card import Card
from tlkit.system.parallel import in_threads

if TYPE_CHECKING:
    from tlkit.data.run_data import Data


class Logits(Protocol):
    """The logits of a run's images."""

    @property
    def at_once(self) -> int:
        """The largest number of images that are computed at a time."""

    def batches(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the logits of some images, in their order, a few images at a time.

        Args:
            rows: int (N,) row numbers of the images in the data.

        Yields:
            float32 (n, …, units).
        """


class LogitsOfImages:
    """The logits that a network computes from images.

    Args:
        network: from images, uint8 (n, H, W, 3) with n at most ``at_once``, to logits, float32 (n, …, units).
        data: the opened data, whose decoded images are read.
        at_once: the largest number of images per call of the network.
        calls: the number of calls of the network at a time. With two, no thread of one that computes each image alone
            waits for the last image of a batch.
    """

    def __init__(
        self, network: Callable[[np.ndarray], np.ndarray], data: Data, at_once: int, *, calls: int = 1
    ) -> None:
        self.at_once = at_once
        self._calls = calls
        self._network = network
        self._images = data.store.images

    def batches(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the logits of some images, ``at_once`` at a time: see ``Logits``."""
        read = in_batches(self._images, rows, self.at_once)
        if self._calls == 1:
            return map(self._network, read)
        return in_threads(self._network, read, name="tlkit-logits", ahead=1, threads=self._calls)


def logits_of_model(model: Any, card: Card, data: Data, batch_size: int) -> LogitsOfImages:
    """Return the logits that a Keras model computes from images.

    Args:
        model: the functional model, from float32 (N, H, W, 3) in 0-255 to logits; changes of its weights after this
            call have no effect.
        card: the model's card.
        data: the opened data.
        batch_size: the largest number of images at a time.
    """
    from tlkit.models.inference import images_at_once

    at_once = min(batch_size, images_at_once(model))
    return LogitsOfImages(Inference(model, card, at_once).logits, data, at_once)
