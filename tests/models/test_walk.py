"""A functional model computed layer by layer: the outputs of a call, without all feature maps at a time."""

from __future__ import annotations

import weakref

import keras
import numpy as np

from tlkit.models.walk import outputs_of, walk

L = keras.layers


class Watched(L.Layer):
    """Notes how many outputs of such layers exist after each call."""

    outputs: list[weakref.ref]
    counts: list[int]

    def call(self, inputs):
        output = inputs + 1
        self.outputs.append(weakref.ref(output))
        self.counts.append(sum(each() is not None for each in self.outputs))
        return output


def test_the_outputs_are_those_of_a_call_in_inference_mode():
    images = keras.Input((8, 8, 3))
    shared = L.Conv2D(3, 3, padding="same")
    inner = keras.Sequential([L.Conv2D(4, 1), L.BatchNormalization(), L.Dropout(0.5)])
    maps = inner(L.Resizing(6, 6)(shared(shared(images) * 2)))
    model = keras.Model(images, [L.GlobalAveragePooling2D()(maps), images, maps])
    data = np.random.default_rng(0).uniform(0, 255, (5, 8, 8, 3)).astype(np.float32)
    for ours, theirs in zip(outputs_of(model, data), model(data, training=False), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_an_output_is_dropped_once_no_layer_needs_it(monkeypatch):
    monkeypatch.setattr(Watched, "outputs", [], raising=False)
    monkeypatch.setattr(Watched, "counts", [], raising=False)
    x = images = keras.Input((8, 8, 3))
    for _ in range(6):
        x = Watched()(x)
    model = keras.Model(images, x)
    Watched.outputs.clear()
    Watched.counts.clear()
    walk(model, [np.zeros((1, 8, 8, 3), np.float32)])
    assert Watched.counts == [1, 2, 2, 2, 2, 2]
