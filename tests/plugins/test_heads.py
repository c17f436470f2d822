"""The first-party heads: shapes, options, names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pydantic
import pytest
import tlkit_heads

from tlkit import HeadContext

RECORDS = {record.name: record for record in tlkit_heads.tlkit_heads()}


def build(name: str, strides: tuple[int, ...] = (2, 4, 8, 16), units: int = 3, **options: Any) -> Any:
    """Return a model of the head on feature maps of a 32 x 64 image."""
    record = RECORDS[name]
    features = {stride: keras.Input((32 // stride, 64 // stride, stride), name=f"stride{stride}") for stride in strides}
    ctx = HeadContext(record.task, tuple("abc"[:units]), units, (32, 64), 0)
    inputs = {tensor.name: tensor for tensor in features.values()}
    model = keras.Model(inputs, record.build(features, ctx, record.options(**options)))
    for variable in model.trainable_variables:
        # The zeros that a linear head starts with would hide which inputs it uses.
        variable.assign_add(keras.random.normal(variable.shape, stddev=0.01, seed=1))
    return model


def names(model: Any) -> set[str]:
    return {layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)}


def channels(model: Any, end: str) -> dict[str, int]:
    return {layer.name: layer.output.shape[-1] for layer in model.layers if layer.name.endswith(end)}


def used_strides(model: Any) -> set[int]:
    """Return the strides of the feature maps that change the logits."""
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(size=(1, *tensor.shape[1:])) for name, tensor in model.input.items()}
    plain = np.array(model(inputs, training=False))
    used = set()
    for name, value in inputs.items():
        other = np.array(model({**inputs, name: value + 1}, training=False))
        if not np.array_equal(other, plain):
            used.add(int(name.removeprefix("stride")))
    return used


@pytest.mark.parametrize("name", ["linear", "mlp"])
@pytest.mark.parametrize("units", [1, 3])
def test_classification_heads_return_one_logit_per_unit(name: str, units: int) -> None:
    model = build(name, units=units)
    assert model.output_shape == (None, units)
    assert used_strides(model) == {16}


@pytest.mark.parametrize("name", ["unet", "transpose"])
@pytest.mark.parametrize("output_stride", [1, 2, 4, 8])
def test_segmentation_heads_end_at_their_output_stride(name: str, output_stride: int) -> None:
    model = build(name, output_stride=output_stride)
    assert model.output_shape == (None, 32 // output_stride, 64 // output_stride, 3)


def test_unet_uses_every_stride_and_transpose_only_the_deepest() -> None:
    assert used_strides(build("unet")) == {2, 4, 8, 16}
    assert used_strides(build("transpose")) == {16}


def test_unet_leaves_out_the_skip_of_a_stride_the_backbone_lacks() -> None:
    model = build("unet", strides=(4, 16))
    assert model.output_shape == (None, 32, 64, 3)
    assert {name for name in names(model) if name.endswith("skip")} == {"head_stride4_skip"}


@pytest.mark.parametrize("upsampling", ["bilinear", "nearest", "transpose"])
def test_unet_doubles_the_size_by_the_chosen_method(upsampling: str) -> None:
    layer = build("unet", upsampling=upsampling).get_layer("head_stride8_up")
    assert isinstance(layer, keras.layers.Conv2DTranspose) == (upsampling == "transpose")
    assert getattr(layer, "interpolation", "transpose") == upsampling


def test_unet_has_two_dense_convolutions_per_stage_on_the_concatenated_maps_unless_it_says_otherwise() -> None:
    """A recipe, run folder or checkpoint that names none of these options was made when there were none."""
    model = build("unet")
    kernels = {layer.name: layer.kernel.shape for layer in model.layers if type(layer) is keras.layers.Conv2D}
    assert kernels["head_stride8_conv1"] == (3, 3, 16 + 8, 128)
    assert kernels["head_stride8_conv2"] == (3, 3, 128, 128)
    assert len(kernels) == 2 * 4 + 1
    assert not any(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in model.layers)


def test_unet_adds_the_skip_after_1x1_convolutions_of_both_maps() -> None:
    model = build("unet", join="add", convs=1, filters=(7, 6, 5))
    assert used_strides(model) == {2, 4, 8, 16}
    assert model.output_shape == (None, 32, 64, 3)
    assert channels(model, "_lateral") == {
        "head_stride8_lateral": 7,
        "head_stride4_lateral": 7,
        "head_stride2_lateral": 6,
    }
    reduced, doubled = model.get_layer("head_stride8_reduce"), model.get_layer("head_stride8_up")
    assert reduced.output.shape[1:] == (2, 4, 7), "the 1x1 convolution comes before the doubling"
    assert doubled.output.shape[1:] == (4, 8, 7)


def test_adding_is_a_1x1_convolution_of_the_concatenated_maps() -> None:
    model = build("unet", join="add", batch_norm=False, strides=(8, 16), output_stride=8)
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(size=(2, *tensor.shape[1:])).astype(np.float32) for name, tensor in model.input.items()}
    doubled = model.get_layer("head_stride8_up").__class__(2, interpolation="bilinear")(inputs["stride16"])
    kernels = [model.get_layer(f"head_stride8_{part}").kernel[0, 0] for part in ("reduce", "lateral")]
    expected = np.concatenate([doubled, inputs["stride8"]], -1) @ np.concatenate(kernels)
    joined = keras.Model(model.input, model.get_layer("head_stride8_skip").output)(inputs)
    np.testing.assert_allclose(joined, expected, rtol=1e-4, atol=1e-4)


def test_added_maps_of_a_learned_doubling_need_no_1x1_convolution_before_it() -> None:
    model = build("unet", join="add", upsampling="transpose")
    assert not channels(model, "_reduce")
    assert used_strides(model) == {2, 4, 8, 16}


def test_adding_leaves_out_the_skip_of_a_stride_the_backbone_lacks() -> None:
    model = build("unet", strides=(4, 16), join="add")
    assert {name for name in names(model) if name.endswith(("skip", "lateral"))} == {
        "head_stride4_skip",
        "head_stride4_lateral",
    }


@pytest.mark.parametrize("convs", [1, 3])
def test_unet_has_that_many_convolutions_per_stage(convs: int) -> None:
    model = build("unet", convs=convs, convolution="separable", output_stride=4)
    depthwise = [layer for layer in model.layers if isinstance(layer, keras.layers.DepthwiseConv2D)]
    assert len(depthwise) == 2 * convs
    kernels = {layer.name: layer.kernel.shape[:2] for layer in model.layers if type(layer) is keras.layers.Conv2D}
    assert set(kernels.values()) == {(1, 1)}


@pytest.mark.parametrize(("name", "end"), [("unet", "conv2"), ("transpose", "relu")])
def test_filters_belong_to_strides_from_the_finest_up(name: str, end: str) -> None:
    def found(**options: Any) -> dict[int, int]:
        outputs = channels(build(name, filters=(7, 6, 5), **options), end)
        return {int(layer.split("_")[1].removeprefix("stride")): count for layer, count in outputs.items()}

    assert found() == {8: 7, 4: 7, 2: 6, 1: 5}
    assert found(output_stride=2) == {8: 7, 4: 7, 2: 6}


@pytest.mark.parametrize("name", ["unet", "transpose"])
def test_batch_norm_can_be_left_out_of_a_decoder(name: str) -> None:
    with_norm, without = build(name), build(name, batch_norm=False)
    assert any(isinstance(layer, keras.layers.BatchNormalization) for layer in with_norm.layers)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in without.layers)


def test_mlp_has_the_hidden_layers_of_its_options() -> None:
    model = build("mlp", units=3)
    assert channels(model, "dense1") == {"head_dense1": 256}
    record = RECORDS["mlp"]
    options = record.options(units=(8, 4), activation="gelu", batch_norm=True, dropout=0.0)  # type: ignore[call-arg]
    features: Mapping[int, Any] = {16: keras.Input((2, 2, 5))}
    ctx = HeadContext("classification", ("a",), 1, (32, 32), 0)
    deep = keras.Model(features[16], record.build(features, ctx, options))
    expected = {"head_pooling", "head_logits"}
    expected |= {f"head_dense{number}{end}" for number in (1, 2) for end in ("", "_bn", "_gelu")}
    assert names(deep) == expected


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_layer_names_start_with_head_and_do_not_depend_on_earlier_models(name: str) -> None:
    first, second = names(build(name)), names(build(name))
    assert first == second
    assert all(each.startswith("head_") for each in first)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_dropout_is_an_option(name: str) -> None:
    kinds = (keras.layers.Dropout, keras.layers.SpatialDropout2D)

    def rates(**options: Any) -> set[float]:
        return {layer.rate for layer in build(name, **options).layers if isinstance(layer, kinds)}

    assert rates(dropout=0.25) == {0.25}
    assert rates(dropout=0.0) == set()


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_logits_are_float32_in_mixed_precision(name: str) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        assert build(name).output.dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_every_option_has_a_default_and_a_description(name: str) -> None:
    fields = RECORDS[name].options.model_fields
    assert fields
    assert all(field.description and not field.is_required() for field in fields.values())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("linear", {"dropout": 1.0}), ("mlp", {"units": ()}), ("unet", {"filters": (0,)}), ("unet", {"output_stride": 3})],
)
def test_meaningless_options_are_refused(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        RECORDS[name].options(**wrong)


def test_convs_is_the_number_of_transposed_convolutions_per_stage() -> None:
    model = build("transpose", convs=2, filters=(16, 8), logits_kernel=3)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert [layer.strides for layer in layers] == [(1, 1), (2, 2)] * (len(layers) // 2)
    assert model.get_layer("head_logits").kernel_size == (3, 3)
