"""A model that gives, with each image's probabilities, the features that they were made of."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from tlkit.errors import DataError
from tlkit.evaluation.inference import Inference
from tlkit.models.grad_cam import map_layers
from tlkit.models.graph import flat
from tlkit.runs.card import Card


class FeatureInference(Inference):
    """An ``Inference`` that also gives the average of a feature map over its places.

    Args:
        model: as of ``Inference``.
        card: as of ``Inference``.
        batch_size: as of ``Inference``.
        layer: the layer with the map.

    Attributes:
        features: those of the images that ``probabilities`` was given, in their order, until they are taken.
        width: how many features an image has.

    Raises:
        DataError: the model has no such layer, or it is inside another model.
    """

    def __init__(self, model: Any, card: Card, batch_size: int, layer: str) -> None:
        import keras

        operation = map_layers(model).get(layer)
        if operation is None or "/" in layer:
            raise DataError(f'the model has no layer "{layer}" of its own with a feature map')
        [values] = flat(operation.output)
        # Without a name it could get one that a layer of the model has.
        pooled = keras.layers.GlobalAveragePooling2D(dtype="float32", name=f"tlkit_features_of_{layer}")(values)
        super().__init__(keras.Model(model.inputs, [flat(model.output)[0], pooled]), card, batch_size)
        self.width = int(pooled.shape[-1])
        self.features: deque[np.ndarray] = deque()

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return what ``Inference.probabilities`` does, and keep the features."""
        logits, pooled = self.outputs(images)
        self.features.extend(pooled)
        return self._task.probabilities(logits)
