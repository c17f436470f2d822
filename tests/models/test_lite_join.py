"""Joining LiteRT files: the head after the frozen part answers as the whole model does."""

from __future__ import annotations

import keras
import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")

from tlkit.models import convert
from tlkit.models.convert import convert_to_litert
from tlkit.models.lite_check import check_lite
from tlkit.models.lite_join import joined
from tlkit.models.litert import LiteRTNetwork

IMAGES = np.random.default_rng(0).uniform(0, 255, (5, 8, 8, 3)).astype(np.float32)


def frozen_part():
    """Two outputs of the same shape, so that a change of their order goes unnoticed by shapes."""
    images = keras.Input((8, 8, 3))
    low = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(keras.layers.Rescaling(1 / 255)(images))
    high = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same")(low))
    return keras.Model(images, [high, low])


def head():
    high, low = keras.Input((8, 8, 4)), keras.Input((8, 8, 4))
    x = keras.layers.Concatenate()([keras.layers.Conv2D(4, 1, activation="relu")(high), low])
    return keras.Model([high, low], keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("as_constants", [True, False])
def test_the_joined_file_answers_as_both_parts_one_after_the_other(monkeypatch, as_constants):
    if not as_constants:
        monkeypatch.setattr(convert, "_CONSTANT_BYTES", 0)  # as for large networks, whose files have signatures
    first, second = frozen_part(), head()
    content = joined(convert_to_litert(first), convert_to_litert(second))
    check_lite(content, (8, 8), 3, 2)
    [logits] = LiteRTNetwork(content)(IMAGES)
    np.testing.assert_allclose(logits, second(first(IMAGES)), rtol=1e-5, atol=1e-5)


def test_parts_that_do_not_fit_are_refused():
    images = keras.Input((8, 8, 3))
    other = keras.Model(images, keras.layers.Conv2D(4, 3)(images))
    with pytest.raises(ValueError, match=r"the head takes .*; expected"):
        joined(convert_to_litert(other), convert_to_litert(head()))
