"""Every decoder on one backbone of each family: built, trained for a step, saved and reloaded."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest
from small_builders import SCRATCH
from tlkit_heads import tlkit_heads

from tlkit.contracts import HeadContext
from tlkit.models.assemble import build_network
from tlkit.models.plugin import tlkit_backbones
from tlkit.models.safe_load import load_model_file
from tlkit.recipe.schema import Selection

HEADS = {head.name: head for head in tlkit_heads() if head.task == "segmentation"}
BACKBONES = {record.name: record for record in tlkit_backbones()}
SMALL_HEAD: dict[str, dict[str, Any]] = {
    "unet": {"filters": (8,)},
    "transpose": {"filters": (8,)},
    "fpn": {"pyramid_filters": 8, "filters": 8},
    "deeplabv3plus": {"filters": 8, "low_filters": 4},
}
QUICK = [(backbone, head) for backbone in ("resnet_v2", "alexnet", "strided_encoder") for head in sorted(HEADS)]
APPLICATIONS = (
    "VGG16",
    "ResNet50",
    "ResNet50V2",
    "Xception",
    "InceptionV3",
    "InceptionResNetV2",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "DenseNet121",
    "NASNetMobile",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "ConvNeXtTiny",
)


def test_the_grid_has_every_builder_from_scratch():
    assert set(SCRATCH) == {name for name in BACKBONES if name[0].islower()}


@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        pair if pair in QUICK else pytest.param(*pair, marks=pytest.mark.slow)
        for pair in itertools.product((*SCRATCH, *APPLICATIONS), sorted(HEADS))
    ],
)
def test_a_decoder_on_a_backbone_trains_a_step_and_reloads(tmp_path, backbone, head):
    size = (140, 132)
    body, top = BACKBONES[backbone], HEADS[head]
    network = build_network(
        Selection(body, body.options(weights="none", **SCRATCH.get(backbone, {}))),
        Selection(top, top.options(**SMALL_HEAD.get(head, {}))),
        HeadContext("segmentation", ("a", "b", "c"), 3, size, seed=0),
    )
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, *size, 3)).astype(np.float32)
    masks = random.integers(0, 3, (2, *size))
    model = network.model
    assert model.output_shape == (None, *size, 3)

    kernel = model.get_layer("head_logits").kernel
    before = np.array(kernel)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert np.isfinite(model.train_on_batch(images, masks))
    assert not np.array_equal(before, np.array(kernel))

    expected = model.predict(images, verbose=0)
    keras.Model(model.input, model.output).save(tmp_path / "model.keras")
    again = load_model_file(tmp_path / "model.keras")
    np.testing.assert_allclose(
        again.predict(images, verbose=0), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
    )
