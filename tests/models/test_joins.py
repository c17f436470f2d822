"""Convolutions over a frozen and a trained feature map, computed by parts: same function, same gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlkit.models.joins import ConvolutionByParts, split_joins

L = keras.layers


def live_part(convolution, frozen_first=False):
    """A trained and a frozen feature map, concatenated, followed by two convolutions."""
    deep, skip = keras.Input((8, 8, 5)), keras.Input((8, 8, 3))
    trained = L.Conv2D(4, 3, padding="same", name="trained")(deep)
    joined = L.Concatenate()([skip, trained] if frozen_first else [trained, skip])
    x = L.BatchNormalization()(convolution(joined))
    return keras.Model([deep, skip], L.Conv2D(2, 1, name="logits")(L.ReLU()(x)))


def feature_maps():
    random = np.random.default_rng(0)
    return [tf.constant(random.normal(size=(6, 8, 8, channels)).astype(np.float32)) for channels in (5, 3)]


def loss_and_gradients(model, inputs, variables):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(inputs, training=True) ** 2) + sum(model.losses)
    return [loss, *tape.gradient(loss, variables)]


def split(model):
    return [layer for layer in model.layers if isinstance(layer, ConvolutionByParts)]


CONVOLUTIONS = {
    "plain": lambda: L.Conv2D(6, 3, padding="same", use_bias=False),
    "bias, stride, activation": lambda: L.Conv2D(6, 3, strides=2, activation="relu", bias_initializer="ones"),
    "dilated and regularized": lambda: L.Conv2D(6, 3, dilation_rate=2, kernel_regularizer=keras.regularizers.L2(0.1)),
    "pointwise": lambda: L.Conv2D(6, 1),
}


@pytest.mark.parametrize("kind", sorted(CONVOLUTIONS))
@pytest.mark.parametrize("frozen_first", [False, True])
def test_the_function_and_its_gradients_are_the_same(kind, frozen_first):
    keras.utils.set_random_seed(1)
    model = live_part(CONVOLUTIONS[kind](), frozen_first)
    faster = split_joins(model)
    assert [layer.name for layer in split(faster)] == [model.layers[-4].name]
    variables = [variable.value for variable in model.trainable_variables]
    statistics = [np.array(variable) for variable in model.non_trainable_variables]
    theirs = loss_and_gradients(model, feature_maps(), variables)
    for variable, value in zip(model.non_trainable_variables, statistics, strict=True):
        variable.assign(value)
    ours = loss_and_gradients(faster, feature_maps(), variables)
    largest = max(float(tf.reduce_max(tf.abs(each))) for each in theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6 * largest)
    assert {id(v) for v in faster.variables} == {id(v) for v in model.variables}


def channels_with_gradients(model):
    """The channels of each convolution's input whose gradient a training step computes."""

    @tf.function(autograph=False)
    def step(inputs):
        return loss_and_gradients(model, inputs, [variable.value for variable in model.trainable_variables])

    graph = step.get_concrete_function(feature_maps()).graph
    needed = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), [each.op.name for each in graph.outputs])
    return sorted(
        graph.get_tensor_by_name(f"{node.name}:0").shape[-1] for node in needed.node if node.op == "Conv2DBackpropInput"
    )


def test_no_gradient_of_the_frozen_map_is_computed():
    model = live_part(L.Conv2D(6, 3, padding="same"))
    assert channels_with_gradients(model) == [6, 7]
    assert channels_with_gradients(split_joins(model)) == [4, 6]


def test_mixed_precision_is_preserved():
    policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    model = live_part(L.Conv2D(6, 3, padding="same", dtype=policy))
    (layer,) = split(split_joins(model))
    maps = [tf.zeros((1, 8, 8, 4)), tf.zeros((1, 8, 8, 3))]
    assert layer(maps).dtype == tf.bfloat16
    assert layer.convolution.kernel.dtype == "float32"


def several_inputs():
    deep, skip, other = (keras.Input((8, 8, channels)) for channels in (5, 3, 2))
    joined = L.Concatenate()([L.Conv2D(4, 1)(deep), skip, other])
    return keras.Model([deep, skip, other], L.Conv2D(2, 1)(joined))


def both_trained():
    deep = keras.Input((8, 8, 5))
    return keras.Model(deep, L.Conv2D(2, 1)(L.Concatenate()([L.Conv2D(4, 1)(deep), L.Conv2D(3, 1)(deep)])))


def another_axis():
    deep, skip = keras.Input((8, 8, 4)), keras.Input((8, 8, 4))
    return keras.Model([deep, skip], L.Conv2D(2, 1)(L.Concatenate(axis=1)([L.Conv2D(4, 1)(deep), skip])))


def another_reader():
    deep, skip = keras.Input((8, 8, 5)), keras.Input((8, 8, 3))
    joined = L.Concatenate()([L.Conv2D(4, 1)(deep), skip])
    return keras.Model([deep, skip], L.Add()([L.Conv2D(7, 1)(joined), joined]))


def a_shared_convolution():
    deep, skip = keras.Input((8, 8, 5)), keras.Input((8, 8, 3))
    convolution = L.Conv2D(7, 1)
    joined = L.Concatenate()([L.Conv2D(4, 1)(deep), skip])
    return keras.Model([deep, skip], convolution(convolution(joined)))


@pytest.mark.parametrize(
    "build",
    [
        several_inputs,
        both_trained,
        another_reader,
        a_shared_convolution,
        lambda: live_part(L.Conv2D(7, 1, groups=7)),
        lambda: live_part(L.DepthwiseConv2D(3)),
        another_axis,
    ],
)
def test_convolutions_that_can_not_be_split_are_left(build):
    model = build()
    assert split_joins(model) is model
