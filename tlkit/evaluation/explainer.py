"""Explain predictions: Grad-CAM, and occlusion as the check that does not trust gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from tlkit.evaluation.explained_class import ExplainedClass, explained_class
from tlkit.evaluation.explanation import Maps, Method
from tlkit.evaluation.inference import Inference
from tlkit.evaluation.map_agreement import agreement
from tlkit.evaluation.memory import explained_memory
from tlkit.evaluation.occlusion import Evidence, occlusion_map
from tlkit.models.grad_cam import check_layer, default_layer, grad_cam
from tlkit.models.inference import images_at_once
from tlkit.models.tasks import task_of_card
from tlkit.runs.card import Card

_BATCH = 32


class Explainer:
    """Explains what a model, or the models of some folds together, predict for images.

    Args:
        models: Keras models from float32 (N, H, W, 3) in 0-255 to logits.
        card: their card.
        layer: the layer whose map Grad-CAM explains; None for the last one.
        number: the number of the class to explain; None for the predicted one.
        method: which maps to compute.

    Raises:
        DataError: there is no such layer with a feature map.
    """

    def __init__(
        self,
        models: Sequence[Any],
        card: Card,
        layer: str | None = None,
        number: int | None = None,
        method: Method = "both",
    ) -> None:
        self.card = card
        self.method = method
        self._number = number
        self._models = models
        self._task = task_of_card(card)
        if layer is not None:
            check_layer(models[0], layer)
        self._layer = layer

    @cached_property
    def layer(self) -> str:
        """The layer whose map Grad-CAM explains; empty without Grad-CAM.

        Raises:
            DataError: the model has no feature map.
        """
        return "" if self.method == "occlusion" else self._layer or default_layer(self._models[0])

    @cached_property
    def _inferences(self) -> list[Inference]:
        return [Inference(each, self.card, min(_BATCH, images_at_once(each))) for each in self._models]

    def maps(self, image: np.ndarray, number: int | None = None) -> Maps:
        """Return where the model sees the class.

        Args:
            image: uint8 (H, W, 3) at the model's size.
            number: the number of another class to explain; None for that of the explainer.

        Raises:
            DataError: segmentation: no pixel is predicted as the class.
        """
        batch_size = self._inferences[0].batch_size
        with explained_memory(self.card, batch_size, batch_size):
            logits = [each.logits(image[None])[0] for each in self._inferences]
            probabilities = np.mean([self._task.probabilities(each) for each in logits], 0)
            chosen = explained_class(self.card, probabilities, self._number if number is None else number)
            heat = None if self.method == "occlusion" else self._grad_cam(image, chosen)
            falls = None if self.method == "grad-cam" else occlusion_map(image, self._evidence(chosen), batch_size)
        both = None if heat is None or falls is None else agreement(heat, falls)
        return Maps(chosen.name, chosen.probability(probabilities), heat, falls, both)

    def _grad_cam(self, image: np.ndarray, chosen: ExplainedClass) -> np.ndarray:
        maps = [grad_cam(each, image[None], self.layer, chosen.direction)[0][0] for each in self._models]
        scaled = [each / max(float(each.max()), np.finfo(np.float32).tiny) for each in maps]
        mean = Image.fromarray(np.mean(scaled, 0, dtype=np.float32))
        large = np.asarray(mean.resize((image.shape[1], image.shape[0]), Image.Resampling.BILINEAR))
        return np.asarray(large / max(float(large.max()), np.finfo(np.float32).tiny), np.float32)

    def _evidence(self, chosen: ExplainedClass) -> Evidence:
        def evidence(images: np.ndarray) -> np.ndarray:
            return np.asarray(np.mean([chosen.evidence(each.logits(images)) for each in self._inferences], 0))

        return evidence
