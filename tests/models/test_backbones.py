"""Every backbone of the core: features by stride, blocks, names, preprocessing."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from keras import applications

from tlkit import BackboneContext, DataError, Outline
from tlkit.models import plugin
from tlkit.models.applications import preprocess
from tlkit.models.graph import flat, inputs_of, operations, strides
from tlkit.models.scratch import scratch_backbones

RECORDS = {record.name: record for record in plugin.tlkit_backbones()}
SMALL = (
    "VGG16",
    "ResNet50",
    "ResNet50V2",
    "Xception",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "ConvNeXtTiny",
    "small_encoder",
)
EVERY = [name if name in SMALL else pytest.param(name, marks=pytest.mark.slow) for name in RECORDS]


@cache
def built_once(name: str) -> tuple[Any, Any]:
    return build(name)


def build(name: str, size: int = 96, **options: Any) -> tuple[Any, Any]:
    images = keras.Input((size, size, 3), name="images")
    record = RECORDS[name]
    built = record.build(images, BackboneContext((size, size), 0), record.options(**options))
    return built, keras.Model(images, built.features[max(built.features)])


def names_by_stride(name: str) -> dict[int, str]:
    built, _ = built_once(name)
    return {stride: tensor._keras_history.operation.name for stride, tensor in built.features.items()}


def test_every_model_of_keras_applications_is_a_backbone() -> None:
    models = {name for name, value in vars(applications).items() if callable(value) and name[0].isupper()}
    assert models == set(RECORDS) - {"small_encoder"} - {record.name for record in scratch_backbones()}


@pytest.mark.parametrize("name", EVERY)
def test_blocks_hold_every_layer_with_weights_once_and_never_feed_backwards(name: str) -> None:
    built, model = built_once(name)
    listed = [layer for block in built.blocks for layer in block.layers]
    assert len(listed) == len(set(listed))
    assert {layer.name for layer in model.layers if layer.weights} <= set(listed)
    place = {layer: index for index, block in enumerate(built.blocks) for layer in block.layers}
    producer = {id(tensor): op.name for op in operations(model) for tensor in flat(op.output)}
    for operation in operations(model):
        before = [place[producer[id(t)]] for t in inputs_of(operation) if producer[id(t)] in place]
        assert max(before, default=0) <= place.get(operation.name, 0)


@pytest.mark.parametrize("name", EVERY)
def test_features_are_at_their_strides_and_the_deepest_is_the_output(name: str) -> None:
    built, model = built_once(name)
    of_tensor = strides(model)
    assert list(built.features) == sorted(built.features)
    assert min(built.features) >= 2
    for stride, tensor in built.features.items():
        assert of_tensor[id(tensor)] == stride
        assert 0 <= 96 / stride - tensor.shape[1] <= 4
    assert of_tensor[id(flat(model.output)[0])] == max(of_tensor.values())
    assert max(built.features) in (16, 32)


@pytest.mark.parametrize("name", EVERY)
def test_layer_names_do_not_depend_on_what_was_built_before(name: str) -> None:
    first, second = built_once(name), build(name)
    assert first[0].blocks == second[0].blocks
    assert [op.name for op in operations(first[1])][1:] == [op.name for op in operations(second[1])][1:]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("VGG16", {2: "block2_conv2", 4: "block3_conv3", 8: "block4_conv3", 16: "block5_conv3", 32: "block5_pool"}),
        (
            "MobileNetV2",
            {
                2: "block_1_expand_relu",
                4: "block_3_expand_relu",
                8: "block_6_expand_relu",
                16: "block_13_expand_relu",
                32: "out_relu",
            },
        ),
        (
            "ResNet50",
            {
                2: "conv1_relu",
                4: "conv2_block3_out",
                8: "conv3_block4_out",
                16: "conv4_block6_out",
                32: "conv5_block3_out",
            },
        ),
    ],
)
def test_features_are_the_usual_ones_for_segmentation(name: str, expected: dict[int, str]) -> None:
    assert names_by_stride(name) == expected


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("VGG16", ["block1", "block2", "block3", "block4", "block5"]),
        ("ResNet50", ["conv1", "conv2", "conv3", "conv4", "conv5"]),
        ("DenseNet121", ["conv1", "conv2", "conv3", "conv4", "conv5"]),
        ("EfficientNetB0", ["stem", *(f"block{number}" for number in range(1, 8)), "top"]),
        ("Xception", [f"block{number}" for number in range(1, 15)]),
    ],
)
def test_blocks_are_named_as_in_the_paper_or_in_keras(name: str, blocks: list[str]) -> None:
    assert [block.name for block in built_once(name)[0].blocks] == blocks


@pytest.mark.parametrize(
    ("mode", "module"),
    [("caffe", applications.resnet50), ("tf", applications.xception), ("torch", applications.densenet)],
)
def test_preprocessing_equals_that_of_keras(mode: str, module: Any) -> None:
    images = keras.Input((5, 7, 3))
    model = keras.Model(images, preprocess(images, mode))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 5, 7, 3)).astype("float32")
    expected = module.preprocess_input(pixels.copy())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(pixels)), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("record", plugin.APPLICATIONS, ids=lambda each: each.name)
def test_each_family_has_the_preprocessing_of_its_keras_module(record: Any) -> None:
    module = getattr(applications, record.family)
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 3)).astype("float32")
    images = keras.Input((4, 4, 3))
    ours = keras.ops.convert_to_numpy(keras.Model(images, preprocess(images, record.preprocessing))(pixels))
    np.testing.assert_allclose(ours, module.preprocess_input(pixels.copy()), rtol=1e-5, atol=1e-4)


def test_too_small_images_are_refused_with_the_minimum_size() -> None:
    with pytest.raises(DataError, match=r"Xception needs at least 71 x 71 pixels, received 64 x 64"):
        build("Xception", 64)


@pytest.mark.parametrize("name", EVERY)
def test_the_stated_minimum_size_is_that_of_keras(name: str) -> None:
    application = next((each for each in plugin.APPLICATIONS if each.name == name), None)
    if application is None:
        return
    build(name, application.minimum)
    images = keras.Input((application.minimum - 1, application.minimum - 1, 3))
    with pytest.raises(ValueError, match="at least"):
        getattr(applications, name)(include_top=False, weights=None, input_shape=images.shape[1:])


def test_options_of_a_family_reach_keras() -> None:
    wide, narrow = build("MobileNetV2")[1], build("MobileNetV2", alpha=0.35)[1]
    assert narrow.count_params() < wide.count_params()
    minimal = build("MobileNetV3Small", minimalistic=True)[1]
    assert minimal.count_params() < build("MobileNetV3Small")[1].count_params()


def test_an_unsupported_alpha_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected one of 0\.35, 0\.5"):
        RECORDS["MobileNetV2"].options(alpha=0.4)  # type: ignore[call-arg]


def test_small_encoder_has_a_stage_for_each_number_of_filters() -> None:
    built, _ = build("small_encoder", filters=(4, 8, 12), convs=1)
    assert {stride: tensor.shape[-1] for stride, tensor in built.features.items()} == {2: 4, 4: 8, 8: 12}
    assert [block.name for block in built.blocks] == ["block1", "block2", "block3"]


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("VGG16", "block5"),
        ("ResNet50", "conv5"),
        ("ResNet50V2", "conv5"),
        ("Xception", "block14"),
        ("MobileNetV2", "block_13"),
        ("EfficientNetB0", "block6"),
        ("DenseNet121", "conv5"),
    ],
)
def test_the_last_stage_starts_where_most_layers_have_the_greatest_stride(name: str, last: str) -> None:
    assert Outline(built_once(name)[0].blocks, True).last_stage() == last
