"""BatchNormalization folded for inference: the same function, whatever layers are around it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlkit.models.fold import FoldedModel

L = keras.layers


def trained(model):
    """Set random statistics and weights, as training would change them."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([random.uniform(0.5, 1.5, weight.shape) - 0.2 for weight in layer.get_weights()])
    return model


def outputs(model, shape, compute):
    images = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    return [keras.ops.convert_to_numpy(each) for each in keras.tree.flatten(compute(images))]


def both(model, folded, shape):
    """Return pairs of the outputs of the folded model, eager and compiled, and of the model."""
    theirs = outputs(model, shape, lambda images: model(images, training=False))
    ours = outputs(model, shape, lambda images: folded([images]))
    compiled = outputs(model, shape, tf.function(lambda images: folded([images]), autograph=False))
    return [*zip(ours, theirs, strict=True), *zip(compiled, theirs, strict=True)]


LAYERS = {
    "conv": lambda: L.Conv2D(6, 3, use_bias=False),
    "conv with bias": lambda: L.Conv2D(6, 3, strides=2, padding="same"),
    "grouped conv": lambda: L.Conv2D(8, 3, groups=2, use_bias=False),
    "depthwise": lambda: L.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False),
    "separable": lambda: L.SeparableConv2D(6, 3, depth_multiplier=2),
    "dense": lambda: L.Dense(5),
}


@pytest.mark.parametrize("kind", sorted(LAYERS))
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "epsilon": 0.1}])
def test_a_folded_model_computes_the_same(kind, options):
    images = keras.Input((9, 9, 4))
    model = trained(keras.Model(images, L.ReLU()(L.BatchNormalization(**options)(LAYERS[kind]()(images)))))
    before = [np.array(weight) for weight in model.get_weights()]
    folded = FoldedModel(model)
    assert len(folded.folded) == 1
    for ours, theirs in both(model, folded, (9, 9, 4)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())
    for weight, original in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, original)


def several_readers(images):
    x = L.Conv2D(4, 1)(images)
    return [L.Add()([x, L.BatchNormalization()(x)])]


def an_output(images):
    x = L.Conv2D(4, 1)(images)
    return [x, L.BatchNormalization()(x)]


def an_activation(images):
    return [L.BatchNormalization()(L.Conv2D(4, 1, activation="relu")(images))]


def another_axis(images):
    return [L.BatchNormalization(axis=1)(L.Conv2D(4, 1)(images))]


def a_shared_layer(images):
    conv = L.Conv2D(4, 1)
    return [L.BatchNormalization()(conv(images)), conv(L.ReLU()(images))]


def nothing_before(images):
    return [L.BatchNormalization()(images)]


@pytest.mark.parametrize(
    "build", [several_readers, an_output, an_activation, another_axis, a_shared_layer, nothing_before]
)
def test_layers_that_can_not_be_folded_are_left(build):
    images = keras.Input((6, 6, 4))
    model = trained(keras.Model(images, build(images)))
    folded = FoldedModel(model)
    assert not folded.folded
    for ours, theirs in both(model, folded, (6, 6, 4)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_no_variable_is_made_and_later_changes_of_the_weights_do_not_count(monkeypatch):
    images = keras.Input((9, 9, 4))
    maps = L.BatchNormalization()(L.Conv2D(6, 3)(images))
    model = trained(keras.Model(images, L.Dense(2)(maps)))
    before = outputs(model, (9, 9, 4), lambda images: model(images, training=False))
    with monkeypatch.context() as patch:
        patch.setattr(keras.Variable, "__init__", None)
        folded = FoldedModel(model)
        compiled = tf.function(lambda images: folded([images]), autograph=False)
        compiled(np.zeros((1, 9, 9, 4), np.float32))
    for variable in model.variables:
        variable.assign(keras.ops.zeros_like(variable))
    for compute in (lambda images: folded([images]), compiled):
        [ours] = outputs(model, (9, 9, 4), compute)
        np.testing.assert_allclose(ours, before[0], rtol=1e-5, atol=1e-5)


def test_half_precision_stays_half_precision():
    images = keras.Input((9, 9, 4))
    maps = L.BatchNormalization(dtype="mixed_bfloat16")(L.Conv2D(6, 3, use_bias=False, dtype="mixed_bfloat16")(images))
    model = trained(keras.Model(images, L.ReLU(dtype="mixed_bfloat16")(maps)))
    folded = FoldedModel(model)
    [output] = folded([np.ones((1, 9, 9, 4), np.float32)])
    assert len(folded.folded) == 1
    assert output.dtype == "bfloat16"


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2", "EfficientNetB0", "DenseNet121"])
def test_folded_networks_of_keras_applications_compute_the_same(name):
    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(64, 64, 3))
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.set_weights([random.uniform(0.8, 1.2, weight.shape) for weight in layer.get_weights()])
    folded = FoldedModel(model)
    norms = sum(isinstance(layer, L.BatchNormalization) for layer in model.layers)
    assert len(folded.folded) >= 0.4 * norms
    for ours, theirs in both(model, folded, (64, 64, 3)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())
