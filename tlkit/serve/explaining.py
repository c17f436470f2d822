"""Draw where the model looks, by Grad-CAM of one image at a time. TensorFlow starts when that is first asked for."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tlkit.data.images.decode import decode_to_size, restore_mask
from tlkit.data.images.reading import Reading, reading_of
from tlkit.evaluation.explained_class import class_number
from tlkit.runs.card import Card
from tlkit.serve.bodies import BUSY_SECONDS, SentImage
from tlkit.serve.bounds import Bounds
from tlkit.serve.problems import RefusedError

if TYPE_CHECKING:
    from tlkit.evaluation.explainer import Explainer

_SHOWN = 512
"""The longer side of the picture in pixels."""
_START_SECONDS = 120.0
"""How long TensorFlow may take to start and to load the model, besides the time for a request."""
_WAITING = 4
"""The requests that may wait for one another."""


class Explaining:
    """Explains images, one at a time in a thread of its own.

    Args:
        load: loads the model.
        card: its card.
        bounds: what the server takes at most.
    """

    def __init__(self, load: Callable[[], Explainer], card: Card, bounds: Bounds) -> None:
        self._card = card
        self._load = load
        self._bounds = bounds
        self._explainer: Explainer | None = None
        self._thread = ThreadPoolExecutor(1, "tlkit-explain")
        self._waiting = 0

    async def picture(self, image: SentImage, class_name: str | None) -> dict[str, Any]:
        """Return where the model sees a class in an image, as values for JSON.

        Args:
            image: the image.
            class_name: the class; None for the predicted one.

        Raises:
            RefusedError: too many others are waiting, or it took too long.
            DataError: the image can't be decoded or explained, or there is no such class.
            RunError: the model can't be loaded, or the memory is exhausted.
        """
        if self._waiting >= _WAITING:
            raise RefusedError(429, f"{_WAITING} images are being explained; ask again", wait=10 * BUSY_SECONDS)
        self._waiting += 1
        seconds = self._bounds.seconds + (_START_SECONDS if self._explainer is None else 0)
        future = self._thread.submit(self._drawn, image, class_name)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except TimeoutError as error:
            raise RefusedError(503, f"the image was not explained after {seconds:g} s", wait=BUSY_SECONDS) from error
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Explain nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _drawn(self, image: SentImage, class_name: str | None) -> dict[str, Any]:
        path = Path(image.name)
        card = self._card
        number = None if class_name is None else class_number(card, class_name)
        reading = replace(reading_of(card), max_pixels=self._bounds.pixels)
        seen, size = decode_to_size(path, image.content, card.image_size, card.resize, reading)
        if self._explainer is None:
            self._explainer = self._load()
        explainer = self._explainer
        maps = explainer.maps(seen, number)
        assert maps.grad_cam is not None
        shown, heat = _in_own_shape(image, size, maps.grad_cam, card.resize, reading)
        return {
            "name": image.name,
            "class": maps.class_name,
            "probability": round(maps.probability, 6),
            "layer": explainer.layer,
            "picture": base64.b64encode(_png_of(shown, heat)).decode("ascii"),
        }


def _in_own_shape(
    image: SentImage, size: tuple[int, int], heat: np.ndarray, resize: Any, reading: Reading
) -> tuple[np.ndarray, np.ndarray]:
    """Return the image at the size of the picture, and its map over it: the model may see it distorted."""
    scale = min(1.0, _SHOWN / max(size))
    height, width = (max(1, round(each * scale)) for each in size)
    shown, _ = decode_to_size(Path(image.name), image.content, (height, width), "stretch", reading)
    return shown, restore_mask(heat[..., None], (height, width), resize)[..., 0]


def _png_of(image: np.ndarray, heat: np.ndarray) -> bytes:
    from tlkit.report.heat_maps import heat_over
    from tlkit.report.mask_files import png

    return png(Image.fromarray(heat_over(image, heat)), quick=True)
