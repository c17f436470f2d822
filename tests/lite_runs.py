"""The folders of runs with a LiteRT file of the model, written by tlkit's own writers, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tlkit.models.saving import Trained, save_model
from tlkit.models.tasks import task_of_card
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder


def small_model(card: Card, seed: int = 0) -> Any:
    """Return a network with a convolution, from images to the logits of the card's task."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    images = keras.Input((*card.image_size, 3))
    x = layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 127.5, -1.0)(images))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    if card.task == "segmentation":
        return keras.Model(images, layers.Conv2D(len(card.classes), 1, name="logits")(x))
    x = layers.Dense(task_of_card(card).units)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, layers.Activation("linear", name="logits")(x))


def saved_run(path: Path, card: Card, seed: int = 0) -> RunFolder:
    """Write the folder of a run with such a network."""
    path.mkdir(parents=True)
    folder = RunFolder(path)
    images = np.random.default_rng(0).integers(0, 256, (4, *card.image_size, 3), np.uint8)
    saved = save_model(folder, Trained(small_model(card, seed), task_of_card(card), images, "float32", "epoch 1"))
    assert saved.needs_tensorflow is None
    folder.write_card(card.model_dump(mode="json"))
    return folder
