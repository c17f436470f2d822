"""Grad-CAM, compared with gradients computed by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tlkit.errors import DataError
from tlkit.models.grad_cam import check_layer, default_layer, grad_cam, map_layers

L = keras.layers


def images(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, 5, 4, 3)).astype(np.float32)


def two_layers(seed: int = 1) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """Return a 1x1 convolution with a dense layer on its flattened map, and the kernels of both."""
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(3, 6)).astype("f4"), random.normal(size=(5 * 4 * 6, 2)).astype("f4")
    inputs = keras.Input((5, 4, 3))
    layers = [L.Conv2D(6, 1, use_bias=False, name="map"), L.Flatten(), L.Dense(2, use_bias=False)]
    model = keras.Model(inputs, layers[2](layers[1](layers[0](inputs))))
    model.set_weights([first[None, None], second])
    return model, first, second


def only(number: int):
    def direction(logits: np.ndarray) -> np.ndarray:
        return np.eye(logits.shape[-1], dtype=logits.dtype)[np.full(logits.shape[:-1], number)]

    return direction


def test_the_map_is_that_of_the_gradient_by_hand():
    model, first, second = two_layers()
    maps, logits = grad_cam(model, images(), "map", only(1))
    outputs = images() @ first
    np.testing.assert_allclose(logits, outputs.reshape(3, -1) @ second, rtol=1e-4)
    # The gradient of logit 1 by place (i, j) of channel k is the dense layer's weight of that place.
    weights = second[:, 1].reshape(5, 4, 6).mean((0, 1))
    expected = np.maximum((outputs * weights).sum(-1), 0)
    assert 0 < (expected > 0).mean() < 1  # the ReLU matters
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-4)


def test_a_logit_against_which_the_class_speaks_gives_the_places_that_are_zero_for_it():
    model, *_ = two_layers()
    one, _ = grad_cam(model, images(), "map", only(1))
    against, _ = grad_cam(model, images(), "map", lambda logits: -only(1)(logits))
    assert not (one * against).any()
    assert ((one > 0) | (against > 0)).all()


def test_other_weights_give_another_map():
    """A map that depends on the image alone would show edges, whatever the network (Adebayo et al. 2018)."""
    maps = [grad_cam(two_layers(seed)[0], images(1), "map", only(0))[0].ravel() for seed in range(8)]
    assert sum(each.any() for each in maps) > 4
    correlations = np.corrcoef([each for each in maps if each.any()])[np.triu_indices(4, 1)]
    assert abs(correlations.mean()) < 0.5


def test_a_map_on_which_no_logit_depends_is_zero():
    inputs = keras.Input((5, 4, 3))
    used = L.Conv2D(2, 1, name="used")(inputs)
    cut = keras.ops.stop_gradient(L.Conv2D(2, 1, name="unused")(inputs))
    model = keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(used + cut)))
    assert not grad_cam(model, images(), "unused", only(0))[0].any()
    assert grad_cam(model, images(), "used", lambda logits: logits)[0].any()


def test_the_layers_of_a_model_inside_another_are_explained_under_both_names():
    inputs = keras.Input((5, 4, 3))
    outer = keras.Input((5, 4, 3))
    inner = keras.Model(inputs, L.Conv2D(6, 1, name="map")(inputs), name="inside")
    model = keras.Model(outer, L.Dense(2, use_bias=False)(L.Flatten()(inner(outer))))
    flat_model, *_ = two_layers()
    model.set_weights([flat_model.get_weights()[0], np.zeros(6, "f4"), flat_model.get_weights()[1]])
    assert default_layer(model) == "inside/map"
    expected = grad_cam(flat_model, images(), "map", only(1))
    for ours, theirs in zip(grad_cam(model, images(), "inside/map", only(1)), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_by_default_it_is_the_last_map_before_pooling():
    inputs = keras.Input((8, 8, 3))
    x = L.ReLU(name="last")(L.Conv2D(4, 3, 2, padding="same")(inputs))
    squeezed = L.Conv2D(4, 1, name="squeezed")(L.GlobalAveragePooling2D(keepdims=True)(x))
    model = keras.Model(inputs, L.Dense(2)(L.Flatten()(squeezed)))
    assert default_layer(model) == "last"


def test_by_default_it_is_the_last_map_before_the_logits_of_a_segmentation():
    inputs = keras.Input((8, 8, 3))
    x = L.ReLU(name="last")(L.Conv2D(4, 3, 2, padding="same")(inputs))
    logits = L.Activation("linear")(L.Resizing(8, 8)(L.Conv2D(2, 1, name="logits_small")(x)))
    assert default_layer(keras.Model(inputs, logits)) == "last"


def test_by_default_it_is_not_a_branch_beside_others():
    inputs = keras.Input((8, 8, 3))
    x = L.ReLU(name="whole")(L.Conv2D(4, 3, 2, padding="same")(inputs))
    one, other = L.Conv2D(4, 1, name="one")(x), L.Conv2D(4, 1, name="other")(x)
    joined = L.Concatenate()([L.Conv2D(4, 4)(one), L.MaxPooling2D(4)(other)])  # of a single place
    model = keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(joined)))
    assert default_layer(model) == "whole"


def test_a_model_without_a_map_is_refused():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(inputs)))
    with pytest.raises(DataError, match="no feature map of more than one place"):
        default_layer(model)


def test_a_layer_that_has_no_map_is_refused_with_those_that_have_one():
    model, *_ = two_layers()
    assert list(map_layers(model)) == ["map"]
    with pytest.raises(DataError, match=r'--layer: no layer "maq" .*did you mean "map"\?'):
        check_layer(model, "maq")
    with pytest.raises(DataError, match="the last ones are map"):
        check_layer(model, "dense")
