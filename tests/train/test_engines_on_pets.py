"""Heads trained on the features of two engines predict alike, on real photos with real weights."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tlkit.models.engines import Engine, largest_difference
from tlkit.train.frozen_engine import make_ready
from tlkit.train.frozen_part import FrozenPart

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

PER_CLASS, VALIDATED = 30, 10
SIDE = 224


def photos(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the first photos of each breed, uint8 (N, 224, 224, 3), and their classes."""
    images, labels = [], []
    for label, folder in enumerate(sorted(each for each in root.iterdir() if each.is_dir())):
        for file in sorted(folder.iterdir())[:PER_CLASS]:
            with Image.open(file) as image:
                images.append(np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)))
            labels.append(label)
    return np.stack(images), np.array(labels)


def mobilenet(weights: Path) -> keras.Model:
    base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    base.load_weights(weights)
    return keras.Model(base.input, keras.layers.GlobalAveragePooling2D()(base.output))


def scaled(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 127.5 - 1


def predictions(features: np.ndarray, labels: np.ndarray, validated: np.ndarray) -> np.ndarray:
    keras.utils.set_random_seed(0)
    head = keras.Sequential([keras.layers.Dense(37)])
    head.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    head.fit(features[~validated], labels[~validated], batch_size=32, epochs=20, verbose=0)
    return head.predict(features[validated], verbose=0).argmax(1)


def test_heads_on_the_features_of_both_engines_predict_the_same_breeds(real_data, tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path))
    images, labels = photos(real_data / "pets37" / "train")
    model = mobilenet(real_data / "weights" / "mobilenet_v2_1.00_224_dequant_no_top.weights.h5")
    features = {}
    for name in ("tensorflow", "litert"):
        part = FrozenPart(model)
        part.use(Engine(name))
        make_ready(part, scaled(images[:8]), pytest.fail)
        parts = (scaled(images[first : first + 32]) for first in range(0, len(images), 32))
        features[name] = np.concatenate([part(each)[0] for each in parts])
    difference = largest_difference([features["litert"]], [features["tensorflow"]])
    assert difference <= 1e-5
    validated = np.arange(len(images)) % PER_CLASS >= PER_CLASS - VALIDATED
    ours, theirs = (predictions(each, labels, validated) for each in features.values())
    accuracy = float((ours == labels[validated]).mean())
    print(f"largest difference {difference:.1e}; {validated.sum()} photos; accuracy {accuracy:.3f}")
    assert accuracy > 0.7
    np.testing.assert_array_equal(ours, theirs)
