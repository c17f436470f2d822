"""What computes images without TensorFlow: the LiteRT file of a run, or an exported file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np


class ImageModel(Protocol):
    """A model that may be called from several threads at a time."""

    @property
    def engine(self) -> object:
        """What computes the images; its text is told to users."""

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of images: float32 (n, …, units) from uint8 (n, H, W, 3)."""

    def of_one(self, image: np.ndarray) -> np.ndarray:
        """Return the logits of an image: float32 (…, units) from uint8 (H, W, 3)."""


class Engines(Protocol):
    """What chooses the model that computes some images."""

    def for_images(self, count: int, first: Callable[[], np.ndarray], note: Callable[[str], None]) -> ImageModel:
        """Return the model: see ``tlkit.evaluation.lite_engines.LiteEngines.for_images``."""
