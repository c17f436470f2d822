"""LiteRT files in 8 bits: what its converter or its kernels lose, and what is mended."""

from __future__ import annotations

import keras
import numpy as np
from export_context import expected, export_context, pictures
from tlkit_exporters.litert_open import open_file
from tlkit_exporters.litert_write import write

import tlkit

SIZE = (16, 16)


def logits_of(model, folder, quantize="int8"):
    """Return the logits of a quantized file, those of the Keras model, and the opened file."""
    path = folder / "model.tflite"
    write(export_context(model, folder, quantize=quantize, images=pictures(20, SIZE, seed=1)), path, tlkit.Options())
    tlkit.check_litert_file(path)
    images = pictures(8, SIZE, seed=2)
    file = open_file(path, 1)
    return file.run(images)["logits"], expected(model, images)["logits"], file


def error(answer, right):
    """Return the root mean square of the differences as a share of the deviation between classes and images."""
    return float(np.sqrt(np.mean((answer - right) ** 2)) / np.std(right))


def convolution(filters, seed, deviation=0.2, **options):
    return keras.layers.Conv2D(
        filters, 3, kernel_initializer=keras.initializers.RandomNormal(0, deviation, seed), **options
    )


def classified(images, features):
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    start = keras.initializers.RandomNormal(0, 1, 7)
    return keras.Model(images, keras.layers.Dense(5, kernel_initializer=start)(pooled))


def test_channels_in_reversed_order_keep_their_numbers(tmp_path):
    images = keras.Input((*SIZE, 3))
    centred = keras.layers.Rescaling(1.0, offset=[-103.9, -116.8, -123.7])(keras.ops.flip(images, -1))
    answer, right, file = logits_of(classified(images, convolution(8, 0, activation="relu")(centred)), tmp_path)
    assert file.precision == "int8 and float32"
    assert error(answer, right) < 0.03


def dense_network():
    """Return a network whose concatenation joins small numbers with large ones, and makes both alike after it."""
    images = keras.Input((*SIZE, 3))
    scaled = keras.layers.Rescaling(1 / 255)(images)
    joined = keras.layers.Concatenate()([convolution(2, 1, deviation=50.0)(scaled), convolution(8, 0)(scaled)])
    normalized = keras.layers.BatchNormalization(momentum=0.0)
    model = classified(images, convolution(8, 2)(keras.layers.ReLU()(normalized(joined))))
    model(pictures(20, SIZE).astype("float32"), training=True)
    return model


def test_a_normalized_concatenation_keeps_small_numbers_apart(tmp_path):
    answer, right, file = logits_of(dense_network(), tmp_path)
    assert file.precision == "float32 and int8"
    assert error(answer, right) < 0.03
