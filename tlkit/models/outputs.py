"""The end of a saved model: probabilities for whoever opens the file, logits inside tlkit.

A run trains, evaluates and predicts with logits. Whoever opens ``model.keras`` with Keras alone expects one probability
per class, so the file ends with the layers that compute them. Models of tlkit 0.1.0 and 0.2.0 end with the logits.
"""

from __future__ import annotations

from typing import Any

import keras

from tlkit.models.tasks import LearningTask

LOGITS = "logits"
"""The name of a network's last layer."""
PROBABILITIES = "probabilities"


def with_probabilities(model: Any, task: LearningTask) -> Any:
    """Return a model around the same layers that outputs the probability of every class.

    Args:
        model: a functional model from images to logits (N, units) or (N, H, W, units), with a layer ``logits`` at its
            end.
        task: what the logits mean.

    Returns:
        a functional model with the output ``probabilities``, float32 (N, classes) or (N, H, W, classes). It has no
        optimizer, whose state would double the size of its file.
    """
    taken = {layer.name for layer in model.layers}
    name = PROBABILITIES
    while any(each.startswith(name) for each in taken):
        name = f"tlkit_{name}"  # the head of a plugin has a layer of this name
    return keras.Model(model.input, task.probability_layers(model.output, name), name=model.name)


def logits_model(model: Any) -> Any:
    """Return the part of a saved model from the images to the logits; the model itself if it ends with them."""
    names = [layer.name for layer in model.layers]
    if LOGITS not in names or names[-1] == LOGITS:
        return model
    return keras.Model(model.input, model.get_layer(LOGITS).output, name=model.name)
