"""The assembled model: any image size, float32 logits, a file for plain Keras, plugins that break the contract."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tlkit_heads
from keras import applications
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from tlkit import BackboneContext, Block, BuiltBackbone, DataError, HeadContext, Phase, PluginError
from tlkit.models import plugin
from tlkit.models.assemble import Network, build_network
from tlkit.models.cost import heavy_head, operations_per_image
from tlkit.models.freeze import prepare
from tlkit.recipe.schema import Selection

# Keras 3.15 converts TensorFlow's variables in a way that NumPy 2 will drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

BACKBONES = {record.name: record for record in plugin.tlkit_backbones()}
HEADS = {record.name: record for record in tlkit_heads.tlkit_heads()}
HEAD_OPTIONS: Mapping[str, Any] = {"unet": {"filters": (8, 4)}, "transpose": {"filters": (8, 4)}}


def network(
    backbone: str = "small_encoder",
    head: str = "linear",
    *,
    size: tuple[int, int] = (32, 32),
    seed: int = 3,
    precision: str = "float32",
    backbone_record: Any = None,
    head_record: Any = None,
    **options: Any,
) -> Network:
    body = backbone_record or BACKBONES[backbone]
    top = head_record or HEADS[head]
    return build_network(
        Selection(body, body.options(**({"weights": "none"} | options))),
        Selection(top, top.options(**HEAD_OPTIONS.get(head, {}))),
        HeadContext(top.task, ("a", "b", "c"), 3, size, seed),
        precision=precision,
    )


def pixels(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, *size, 3)).astype("float32")


def logits(net: Network, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(net.model(pixels(size), training=False)))


@pytest.mark.parametrize("head", ["unet", "transpose"])
@pytest.mark.parametrize("size", [(32, 32), (75, 90), (33, 47)])
def test_segmentation_logits_have_the_size_of_the_images(head: str, size: tuple[int, int]) -> None:
    net = network(head=head, size=size)
    assert net.model.output_shape == (None, *size, 3)
    assert logits(net, size).shape == (2, *size, 3)


@pytest.mark.parametrize("name", ["Xception", "InceptionV3"])
def test_backbones_with_valid_padding_take_any_size(name: str) -> None:
    assert network(name, "unet", size=(75, 90)).model.output_shape == (None, 75, 90, 3)


def test_a_head_gets_feature_maps_at_exactly_their_strides() -> None:
    seen: dict[int, tuple[int, ...]] = {}

    def build(features: Mapping[int, Any], ctx: Any, _options: Any) -> Any:
        seen.update({stride: tuple(tensor.shape[1:3]) for stride, tensor in features.items()})
        return keras.layers.Conv2D(ctx.units, 1, name="head_logits")(features[max(features)])

    network("Xception", size=(75, 90), head_record=replace(HEADS["transpose"], build=build))
    assert seen == {stride: (96 // stride, 96 // stride) for stride in (2, 4, 8, 16, 32)}


def test_padding_is_cropped_evenly() -> None:
    """The head passes a feature map through, so that a shift of the image would show."""

    def build(features: Mapping[int, Any], ctx: Any, _options: Any) -> Any:
        up = keras.layers.UpSampling2D(2, name="head_up")(features[2])
        return up[..., : ctx.units]

    def body(images: Any, _ctx: BackboneContext, _options: Any) -> BuiltBackbone:
        pooled = keras.layers.AveragePooling2D(2, name="pool")(images)
        deep = keras.layers.Conv2D(1, 32, 32, name="c")(images)
        return BuiltBackbone({2: pooled, 32: deep}, (Block("b", ("c",), 32),))

    def both(features: Mapping[int, Any], ctx: Any, options: Any) -> Any:
        deep = keras.layers.UpSampling2D(32, name="head_deep")(features[32])
        return keras.layers.Add(name="head_add")([build(features, ctx, options), deep * 0.0])

    net = network(
        size=(40, 36),
        backbone_record=replace(BACKBONES["small_encoder"], build=body),
        head_record=replace(HEADS["transpose"], build=both),
    )
    images = np.repeat(np.repeat(pixels((20, 18)), 2, 1), 2, 2)
    np.testing.assert_allclose(np.array(net.model(images)), images, rtol=1e-5)


def test_input_and_output_have_their_names_and_types() -> None:
    for precision in ("float32", "mixed_float16", "mixed_bfloat16"):
        net = network(head="unet", precision=precision)
        assert net.model.inputs[0].name == "images"
        assert net.model.layers[-1].name == "logits"
        assert logits(net, (32, 32)).dtype == np.float32
        assert keras.config.dtype_policy().name == "float32"
    assert net.model.get_layer("block1_conv1").compute_dtype == "bfloat16"


def test_the_seed_decides_the_initial_weights() -> None:
    first, second, other = (logits(network(head="unet", seed=seed), (32, 32)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)


def test_the_initial_head_does_not_depend_on_the_weights_of_the_backbone(tmp_path: Path) -> None:
    random = network()
    random.model.save(tmp_path / "model.keras")
    loaded = network(weights=str(tmp_path))
    assert (random.pretrained, loaded.pretrained) == (False, True)
    first, second = (np.array(net.model.get_layer("head_logits").kernel) for net in (random, loaded))
    np.testing.assert_array_equal(first, second)


def test_a_network_knows_the_layers_of_backbone_and_head() -> None:
    net = network(head="unet")
    assert net.outline.names == ("block1", "block2", "block3", "block4")
    assert all(name.startswith("head_") for name in net.head_layers)
    assert {*net.head_layers, *net.block_of} >= {layer.name for layer in net.model.layers if layer.weights}


# Plugins that break the contract ----------------------------------------------------------------------------------

Build = Callable[[Mapping[int, Any], Any, Any], Any]


def head_that(build: Build, name: str = "linear") -> Any:
    return replace(HEADS[name], name="mine", build=build)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda f, _c, _o: f[16], r'head "mine": expected logits of shape \(N, 3\), received \(None, 2, 2, 96\)'),
        (lambda _f, _c, _o: None, r'head "mine": expected logits of shape \(N, 3\), received None'),
        (
            lambda f, _c, _o: keras.layers.Dense(5)(keras.layers.Flatten()(f[16])),
            r'head "mine": expected logits of shape \(N, 3\), received \(None, 5\)',
        ),
        (
            lambda f, _c, _o: keras.layers.Dense(3, name="block1_conv1")(keras.layers.Flatten()(f[16])),
            r'head "mine": .*block1_conv1',
        ),
        (
            lambda _f, _c, _o: keras.Input((3,)),
            r'head "mine": no model can be made from the images and what it returned',
        ),
    ],
)
def test_a_head_that_breaks_the_contract_is_named(build: Build, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        network(head_record=head_that(build))


def conv_backbone(blocks: tuple[Block, ...]) -> Any:
    def build(images: Any, _ctx: BackboneContext, _options: Any) -> BuiltBackbone:
        x = keras.layers.Conv2D(4, 3, 2, padding="same", name="first")(images)
        x = keras.layers.Dropout(0.5, name="drop")(x)
        x = keras.layers.Conv2D(4, 3, 2, padding="same", name="second")(x)
        return BuiltBackbone({4: x}, blocks)

    return replace(BACKBONES["small_encoder"], name="mine", build=build)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ((Block("a", ("first",), 2),), r'backbone "mine": every layer with weights .* in no block: second'),
        ((Block("a", ("first",), 2), Block("b", ("first", "second"), 4)), r'layer "first" is in two blocks: a, b'),
        ((), r'backbone "mine": expected build to return a BuiltBackbone with features and blocks'),
    ],
)
def test_a_backbone_that_breaks_the_contract_is_named(blocks: tuple[Block, ...], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        network(backbone_record=conv_backbone(blocks))


def test_layers_without_weights_that_a_backbone_omits_belong_to_the_block_before() -> None:
    net = network(backbone_record=conv_backbone((Block("a", ("first",), 2), Block("b", ("second",), 4))))
    assert net.block_of["drop"] == "a"


def test_a_backbone_with_automatic_layer_names_keeps_its_blocks() -> None:
    def build(images: Any, _ctx: BackboneContext, _options: Any) -> BuiltBackbone:
        conv = keras.layers.Conv2D(4, 3, 2, padding="same")
        return BuiltBackbone({2: conv(images)}, (Block("a", (conv.name,), 2),))

    net = network(backbone_record=replace(BACKBONES["small_encoder"], build=build))
    assert net.block_of == {"backbone_conv2d_1": "a"}
    assert {each.path.split("/")[0] for each in prepare(net, Phase(name="p", epochs=1)).variables} == {"head_logits"}


def test_images_below_the_minimum_size_are_refused() -> None:
    with pytest.raises(DataError, match=r"InceptionV3 needs at least 75 x 75"):
        network("InceptionV3", size=(64, 64))


# Saved and loaded elsewhere ---------------------------------------------------------------------------------------

_READ = """
import sys, keras, numpy as np
for folder in sys.argv[1:]:
    model = keras.saving.load_model(folder + "/model.keras", compile=False, safe_mode=True)
    np.save(folder + "/again.npy", np.array(model(np.load(folder + "/images.npy"), training=False)))
assert not any(name.split(".")[0].startswith("tlkit") for name in sys.modules)
"""


def same_numbers_in_a_new_process(networks: Mapping[str, tuple[Network, tuple[int, int]]], folder: Path) -> None:
    for name, (net, size) in networks.items():
        (folder / name).mkdir()
        np.save(folder / name / "images.npy", pixels(size))
        net.model.save(folder / name / "model.keras")
    folders = [str(folder / name) for name in networks]
    subprocess.run([sys.executable, "-c", _READ, *folders], check=True, capture_output=True, timeout=300)
    for name, (net, size) in networks.items():
        again = np.load(folder / name / "again.npy")
        np.testing.assert_allclose(again, logits(net, size), rtol=1e-5, atol=1e-5, err_msg=name)


def test_saved_models_predict_the_same_in_a_process_without_tlkit(tmp_path: Path) -> None:
    networks = {
        f"{name}_{head}": (network(name, head, size=size), size)
        for name in ("small_encoder", "MobileNetV3Small", "VGG16")
        for head, size in (("linear", (64, 64)), ("unet", (75, 90)))
    }
    same_numbers_in_a_new_process(networks, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ResNet50", "VGG16", "Xception", "EfficientNetB0"])
def test_official_files_give_models_that_predict_the_same_elsewhere(name: str, tmp_path: Path) -> None:
    theirs = getattr(applications, name)(include_top=False, weights=None, input_shape=(96, 96, 3))
    with h5py.File(tmp_path / "official.h5", "w") as file:
        save_weights_to_hdf5_group(file, theirs)
    networks = {
        head: (network(name, head, size=size, weights=str(tmp_path / "official.h5")), size)
        for head, size in (("linear", (75, 90)), ("unet", (75, 90)))
    }
    assert all(net.pretrained for net, _ in networks.values())
    same_numbers_in_a_new_process(networks, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone_carries_a_head_and_freezes(name: str) -> None:
    if name.endswith(("Large", "XLarge", "B6", "B7", "V2L")):
        pytest.skip("needs several GB")
    net = network(name, "unet", size=(75, 90))
    assert net.model.output_shape == (None, 75, 90, 3)
    prepared = prepare(net, Phase(name="p", epochs=1))
    trained = {id(variable) for variable in prepared.variables}
    heads = {id(v) for each in net.head_layers for v in net.model.get_layer(each).trainable_variables}
    assert trained == heads
    half = prepare(net, Phase(name="q", epochs=1, blocks=net.outline.from_block("last")))
    assert len(half.variables) > len(prepared.variables)


def test_a_head_is_called_heavy_from_ten_times_its_backbone_on() -> None:
    backbone = {"backbone": "small_cnn", "filters": (2,), "size": (64, 64)}
    assert not heavy_head(network(head="linear", **backbone))
    assert heavy_head(network(head="flatten_mlp", **backbone)).split(" and ")[0].endswith(" times the weights")


def test_operations_are_two_per_weight_and_output_position() -> None:
    images = keras.Input((8, 6, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(images)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    model = keras.Model(images, keras.layers.Dense(5)(keras.layers.Flatten()(x)))
    assert operations_per_image(model.layers) == 2 * (4 * 3 * 27 * 4 + 4 * 3 * 9 * 4 + 4 * 3 * 4 * 5)
