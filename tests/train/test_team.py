"""How batches are cut between workers, and what a worker sees of the whole batch; no processes are started."""

from __future__ import annotations

import json
from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlkit.errors import RunError
from tlkit.system.signals import Interrupted, Signals
from tlkit.train.shared_batch import RowsOfBatch, layers_shared
from tlkit.train.stopping import Stopping
from tlkit.train.team import Team

IMAGES = np.random.default_rng(0).normal(size=(7, 4, 4, 2)).astype(np.float32)
ROWS = slice(2, 5)


def all_rows():
    return RowsOfBatch(Team.alone(), tf.constant([0, 7]), tf.constant(7))


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [8, 9, 31])
def test_each_row_is_on_one_worker(size, count):
    parts = [range(count)[Team(rank, size).rows(count)] for rank in range(size)]
    assert [row for part in parts for row in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_batch_with_fewer_rows_than_workers_is_on_every_worker():
    assert [Team(rank, 3).rows(2) for rank in range(3)] == [slice(0, 2)] * 3


@pytest.mark.parametrize(
    "config", ["", "{}", '{"cluster": {}}', "[]", json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"index": "x"}})]
)
def test_a_wrong_configuration_is_refused(monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(RunError, match="TF_CONFIG: expected"):
        Team.joined()


def test_a_worker_that_is_not_in_the_configuration_is_refused(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"index": 2}}))
    with pytest.raises(RunError, match="there is no worker 2; expected an index below 2"):
        Team.joined()


def test_one_worker_is_alone(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"index": 0}}))
    team = Team.joined()
    assert team == Team.alone()
    assert (team.told("text"), team.any(flag=True), team.any(flag=False)) == ("text", True, False)
    assert [float(each) for each in team.run(lambda x: team.sum([x]), [tf.constant(2.0)])] == [2.0]


def test_rows_find_their_places():
    here = RowsOfBatch(Team.alone(), tf.constant([2, 7]), tf.constant(3))
    padded = here.padded(tf.constant(IMAGES[ROWS]))
    np.testing.assert_array_equal(here.own(padded), IMAGES[ROWS])
    np.testing.assert_array_equal(padded[:2], np.zeros((2, 4, 4, 2)))
    np.testing.assert_array_equal(padded[5:], np.zeros((2, 4, 4, 2)))
    assert float(here.share) == pytest.approx(3 / 7)


DRAWING = {
    "dropout": lambda: keras.layers.Dropout(0.5, seed=1),
    "dropout of maps": lambda: keras.layers.SpatialDropout2D(0.5, seed=1),
    "gaussian noise": lambda: keras.layers.GaussianNoise(0.5, seed=1),
    "gaussian dropout": lambda: keras.layers.GaussianDropout(0.5, seed=1),
    "alpha dropout": lambda: keras.layers.AlphaDropout(0.5, seed=1),
    "attention": lambda: _SelfAttention(),
}


class _SelfAttention(keras.layers.Layer):
    """A layer of a plugin, with a layer that draws inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.layers.MultiHeadAttention(1, 2, dropout=0.5, seed=1, kernel_initializer="ones")

    def call(self, inputs, training=None):
        return self.inner(inputs, inputs, training=training)

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.parametrize("name", DRAWING)
def test_rows_get_the_draws_that_they_have_in_the_whole_batch(name):
    whole, part = (keras.Sequential([keras.Input(IMAGES.shape[1:]), DRAWING[name]()]) for _ in range(2))
    part.set_weights(whole.get_weights())
    expected = whole(IMAGES, training=True)
    rows = RowsOfBatch(Team.alone(), tf.constant([2, 7]), tf.constant(3))
    with layers_shared(part, lambda: rows):
        found = part(IMAGES[ROWS], training=True)
    assert not np.allclose(whole(IMAGES, training=False), expected)
    np.testing.assert_allclose(found, expected[ROWS], rtol=1e-6)
    states = [
        [generator.state.numpy().tolist() for layer in model._flatten_layers() for generator in layer._seed_generators]
        for model in (whole, part)
    ]
    assert states[0] == states[1]


def test_layers_are_left_as_they_were():
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)])
    normalization, dropout = model.layers
    before = model.to_json()
    with layers_shared(model, all_rows):
        assert "call" in vars(normalization)
        assert "call" in vars(dropout)
    assert "call" not in {*vars(normalization), *vars(dropout)}
    assert model.to_json() == before


@pytest.mark.parametrize("options", [{}, {"axis": 1}, {"center": False, "scale": False}, {"momentum": 0.5}])
@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_normalization_of_all_rows_is_that_of_keras(options, shift):
    results = []
    for shared in (False, True):
        layer = keras.layers.BatchNormalization(**options)
        model = keras.Sequential([keras.Input((4, 4, 2)), layer])
        layer.moving_mean.assign(layer.moving_mean + shift)
        images = tf.constant(IMAGES + shift)
        with layers_shared(model, all_rows) if shared else nullcontext(), tf.GradientTape() as tape:
            tape.watch(images)
            outputs = model(images, training=True)
            loss = tf.reduce_sum(tf.sin(outputs))
        gradients = tape.gradient(loss, [images, *(each.value for each in layer.trainable_variables)])
        results.append([outputs, *gradients, layer.moving_mean - shift, layer.moving_variance])
    assert len(results[0]) == len(results[1])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3 if shift else 1e-5)


def test_frozen_statistics_are_not_synchronized():
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.BatchNormalization(trainable=False)])
    with layers_shared(model, all_rows):
        assert not model.layers[0].synchronized
        assert "call" not in vars(model.layers[0])


def test_a_batch_normalization_of_a_plugin_is_synchronized_by_keras():
    class Own(keras.layers.BatchNormalization):
        def call(self, inputs, training=None, mask=None):
            return super().call(inputs, training=training, mask=mask)

    model = keras.Sequential([keras.Input((4, 4, 2)), Own()])
    with layers_shared(model, all_rows):
        assert model.layers[0].synchronized
    assert not model.layers[0].synchronized


def test_a_worker_stops_once_all_have_heard_of_a_signal():
    stopping = Stopping(Team(1, 2), Signals())
    stopping.stop()
    stopping.heard(asked=False)
    assert not stopping.asked
    stopping.heard(asked=True)
    stopping.heard(asked=False)
    with pytest.raises(Interrupted) as stopped:
        stopping.stop()
    assert stopped.value.exit_code == 143
