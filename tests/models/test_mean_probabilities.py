"""The mean of several models' probabilities, as one model."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlkit.models.fold import FoldedModel
from tlkit.models.inference import images_at_once
from tlkit.models.mean_probabilities import MeanOfProbabilities, mean_model


def small_model(units: int) -> keras.Model:
    images = keras.Input((8, 8, 3))
    maps = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(4, 3, name="conv")(images))
    return keras.Model(images, keras.layers.Dense(units, name="logits")(keras.layers.GlobalMaxPooling2D()(maps)))


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_probabilities_are_the_mean_of_the_models(exclusive: bool) -> None:
    keras.utils.set_random_seed(0)
    models = [small_model(3) for _ in range(3)]
    before = [each.get_weights() for each in models]
    together = mean_model(models, exclusive=exclusive)
    activate = tf.nn.softmax if exclusive else tf.nn.sigmoid
    images = np.random.default_rng(0).uniform(0, 255, (5, 8, 8, 3)).astype(np.float32)
    expected = np.mean([activate(each(images, training=False)) for each in models], axis=0)
    for logits in (together(images, training=False), *FoldedModel(together)([images])):
        assert np.allclose(activate(logits), expected, atol=1e-5)
    assert images_at_once(together) == images_at_once(models[0])
    for model, weights in zip(models, before, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), weights, strict=True))


@pytest.mark.parametrize("exclusive", [True, False])
def test_certain_models_keep_their_loss_finite(exclusive: bool) -> None:
    logits = [np.array([[200.0, -200.0]], np.float32), np.array([[190.0, -190.0]], np.float32)]
    mean = np.asarray(MeanOfProbabilities(exclusive)(logits))
    assert np.isfinite(mean).all()
    assert mean[0, 0] - mean[0, 1] > 300
