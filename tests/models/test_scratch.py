"""The textbook builders, compared with independent implementations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from tlkit.contracts import Backbone, BackboneContext
from tlkit.models.plugin import tlkit_backbones
from tlkit.models.scratch import scratch_backbones
from tlkit.models.scratch.efficientnet import STAGES, VARIANTS, compound, round_filters

RECORDS: dict[str, Backbone] = {record.name: record for record in scratch_backbones()}
APPLICATIONS = keras.applications


def encoder(name: str, size: int = 64, channels: int = 3, **options: Any) -> Any:
    record = RECORDS[name]
    images = keras.Input((size, size, channels))
    built = record.build(images, BackboneContext((size, size), 0), record.options(**{"scaling": "none", **options}))
    return keras.Model(images, built.features[max(built.features)])


def with_top(model: Any, units: tuple[int, ...] | None) -> Any:
    """Add a top like that of ``linear``, or of ``flatten_mlp`` with hidden units."""
    x = model.output
    if units is None:
        x = keras.layers.GlobalAveragePooling2D()(x)
    else:
        x = keras.layers.Flatten()(x)
        for each in units:
            x = keras.layers.Dense(each, activation="relu")(x)
    return keras.Model(model.input, keras.layers.Dense(1000)(x))


def count(variables: Any) -> int:
    return sum(int(np.prod(variable.shape)) for variable in variables)


def bare(model: Any) -> Any:
    """keras.applications' EfficientNet without the rescaling and normalization that it includes."""
    return keras.Model(model.get_layer("stem_conv_pad").input, model.output)


EPSILON = {"batch_norm_epsilon": 1.001e-5}
PARITY = [
    pytest.param("vgg", {}, "VGG16", 64, (64, 64), id="VGG16"),
    pytest.param("vgg", {"depth": 19}, "VGG19", 64, (64, 64), id="VGG19"),
    pytest.param("resnet", EPSILON, "ResNet50", 64, None, id="ResNet50"),
    pytest.param("resnet", {"depth": 101, **EPSILON}, "ResNet101", 64, None, id="ResNet101", marks=pytest.mark.slow),
    pytest.param("resnet", {"depth": 152, **EPSILON}, "ResNet152", 64, None, id="ResNet152", marks=pytest.mark.slow),
    pytest.param("xception", {}, "Xception", 96, None, id="Xception"),
    pytest.param("densenet", EPSILON, "DenseNet121", 64, None, id="DenseNet121", marks=pytest.mark.slow),
    pytest.param("nasnet", {}, "NASNetMobile", 96, None, id="NASNetMobile", marks=pytest.mark.slow),
    pytest.param("efficientnet", {}, "EfficientNetB0", 64, None, id="EfficientNetB0"),
    pytest.param("efficientnet", {"variant": "B3"}, "EfficientNetB3", 75, None, id="B3", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "options", "theirs", "size", "units"), PARITY)
def test_a_builder_computes_what_keras_applications_computes(name, options, theirs, size, units):
    body = getattr(APPLICATIONS, theirs)(weights=None, include_top=False, input_shape=(size, size, 3))
    other = with_top(bare(body) if theirs.startswith("Eff") else body, units)
    ours = with_top(encoder(name, size, **options), units)
    assert ours.count_params() == other.count_params()

    random = np.random.default_rng(0)
    weights = [
        random.uniform(0.5, 1.5, variable.shape)
        if variable.path.endswith("variance")
        else random.normal(0, 0.05, variable.shape)
        for variable in other.weights
    ]
    other.set_weights(weights)
    ours.set_weights(weights)
    images = random.normal(0, 1, (2, size, size, 3)).astype(np.float32)
    expected = other.predict(images, verbose=0)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(ours.predict(images, verbose=0), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_the_whole_vgg16_with_its_top_has_the_published_number_of_weights():
    # Simonyan & Zisserman 2015, table 2: 138 million; keras.io/api/applications: 138,357,544.
    assert encoder("vgg", 224).count_params() + (7 * 7 * 512 + 1) * 4096 + 4097 * 4096 + 4097 * 1000 == 138_357_544


@pytest.mark.parametrize(
    ("name", "options", "top", "published"),
    [
        # torchvision 0.20, resnet18 and resnet34 (docs, "num_params"), biases and moving statistics not counted.
        ("resnet", {"depth": 18, "bias": False}, 512, 11_689_512),
        ("resnet", {"depth": 34, "bias": False}, 512, 21_797_672),
        ("resnet", {"depth": 50, "bias": False}, 2048, 25_557_032),
        # Cadene's pretrained-models.pytorch, se_resnet50; the paper's table 2 says 28.1 M.
        ("senet", {}, 2048, 28_088_024),
    ],
)
def test_residual_networks_have_the_published_number_of_weights(name, options, top, published):
    trainable = count(encoder(name, 64, **options).trainable_variables)
    assert trainable + (top + 1) * 1000 == published


def test_alexnet_in_two_halves_has_as_many_weights_as_that_of_caffe():
    # BVLC Caffe's bvlc_alexnet, which has the paper's groups: 60,965,224; the paper says 60 million.
    body = encoder("alexnet", 227, groups=2)
    assert body.output_shape[1:] == (6, 6, 256)
    assert body.count_params() + (6 * 6 * 256 + 1) * 4096 + 4097 * 4096 + 4097 * 1000 == 60_965_224


def test_resnet_164_has_as_many_weights_as_in_the_paper():
    # He et al. 2016 (arXiv:1603.05027), table 3: ResNet-164 with 1.7 million weights.
    trainable = count(encoder("resnet_v2", 32).trainable_variables) + 257 * 10
    assert round(trainable / 1e6, 1) == 1.7


def test_resnet_164_has_164_layers_on_its_longest_path():
    model = encoder("resnet_v2", 32)
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    projections = [layer for layer in convs if layer.name.endswith("_0_conv")]
    assert len(projections) == 3
    assert len(convs) - len(projections) + 1 == 164


def test_a_dense_block_of_l_layers_has_l_times_l_plus_1_half_connections():
    model = encoder("densenet", 32, stem="cifar", units=(6,), growth=4, compression=1.0)
    # Each layer's 1x1 convolution takes the stem's 8 channels and 4 from every layer before it.
    seen = [model.get_layer(f"conv2_block{number}_1_conv").input.shape[-1] for number in range(1, 7)]
    assert seen == [8 + 4 * before for before in range(6)]
    assert sum((channels - 8) // 4 + 1 for channels in seen) == 6 * 7 // 2


def test_the_compound_rule_gives_the_published_networks_up_to_b3():
    # B1 is phi 1/2, B2 phi 1, B3 phi 2; from B4 on the published factors deviate from the rule.
    for variant, phi in (("B0", 0.0), ("B1", 0.5), ("B2", 1.0), ("B3", 2.0)):
        width, depth, side = compound(phi)
        published = VARIANTS[variant]
        assert width == pytest.approx(published[0], abs=0.051)
        assert depth == pytest.approx(published[1], abs=0.041)
        assert side == pytest.approx(published[2], rel=0.02)
    assert [round_filters(stage.filters * compound(0.0)[0]) for stage in STAGES] == [16, 24, 40, 80, 112, 192, 320]


def test_mini_xception_has_as_many_weights_as_in_the_book():
    # Deep Learning with Python, 2nd ed., chapter 9: 721,857 weights with one unit behind the global pooling.
    assert encoder("mini_xception", 180).count_params() + 513 == 721_857


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_every_builder_takes_odd_sizes_and_other_numbers_of_channels(name):
    size = 75 if name != "alexnet" else 131
    model = encoder(name, size, channels=1, **SMALL.get(name, {}))
    assert np.isfinite(model.predict(np.ones((1, size, size, 1)), verbose=0)).all()


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_every_layer_with_weights_is_in_a_block_and_l2_reaches_every_kernel(name):
    record = RECORDS[name]
    images = keras.Input((128, 128, 3))
    options = record.options(l2=0.5, **SMALL.get(name, {}))
    built = record.build(images, BackboneContext((128, 128), 0), options)
    model = keras.Model(images, built.features[max(built.features)])
    named = {layer for block in built.blocks for layer in block.layers}
    assert {layer.name for layer in model.layers if layer.weights} <= named
    kernels = [variable for variable in model.trainable_variables if "kernel" in variable.name]
    expected = sum(0.5 * float(np.sum(np.square(kernel))) for kernel in kernels)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-3)


SMALL: dict[str, dict[str, Any]] = {
    "resnet": {"depth": 18, "filters": (8, 16)},
    "senet": {"depth": 18, "filters": (8, 16), "ratio": 4},
    "resnet_v2": {"depth": 11, "filters": 4},
    "vgg": {"depth": 11, "filters": (4, 8, 8)},
    "densenet": {"units": (2, 2), "growth": 4},
    "nasnet": {"penultimate_filters": 96, "repeats": 1, "stem_filters": 8},
    "efficientnet": {"phi": -3.0},
    "alexnet": {"filters": (8, 8, 8, 8, 8)},
    "unet_encoder": {"filters": (4, 8)},
    "xception": {"middle": 1},
}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet_v2", {"depth": 100}, "9n"),
        ("vgg", {"convs": (1, 2)}, "expected the same number of both"),
        ("nasnet", {"penultimate_filters": 100}, "multiple of 24"),
    ],
)
def test_options_that_do_not_make_a_network_are_refused(name, options, message):
    with pytest.raises(ValidationError, match=message):
        RECORDS[name].options(**options)


def test_the_builders_come_through_the_hook():
    assert set(RECORDS) <= {record.name for record in tlkit_backbones()}
