"""Mirroring draws and moves as keras-cv's RandomFlip does, without importing keras-cv."""

from __future__ import annotations

import subprocess
import sys

import keras_cv
import numpy as np
import pytest
import tensorflow as tf
from augment_batches import made
from tlkit_augment.addressed import Change
from tlkit_augment.warps import in_turn, on_batch


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_flip_gives_the_bits_of_the_layer_of_keras_cv(mode: str) -> None:
    layer, mask_layer = keras_cv.layers.RandomFlip(mode), keras_cv.layers.RandomFlip(mode)
    expected = on_batch(in_turn([Change(layer, mask_layer)]))
    flip = made("flip", horizontal="horizontal" in mode, vertical="vertical" in mode)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (33, 32, 48, 3)).astype(np.float32)
    masks = random.integers(0, 3, (33, 32, 48, 1)).astype(np.int32)
    batch = {"images": tf.constant(images), "segmentation_masks": tf.constant(masks)}
    for number in range(3):
        seed = tf.constant([number, 7])
        found, wanted = flip(batch, seed), expected(batch, seed)
        assert (found["images"].numpy() != images).any()
        for key in batch:
            np.testing.assert_array_equal(found[key], wanted[key])


def test_flip_is_built_without_keras_cv() -> None:
    code = "import sys, tlkit_augment.flips; sys.exit('keras_cv' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
