"""One process trains on several devices: logical ones of the processor, in place of GPUs."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf
from teams import assert_alike, assert_same_epoch, largest_difference, trained
from test_team_training import EXACT, LABELLED, SEGMENTED, SYNCHRONIZED, write_recipes

from tlkit.errors import RunError
from tlkit.train.devices import DeviceTeam
from tlkit.train.shared_batch import refuse_unshared
from tlkit.train.team import Team


def test_one_gpu_is_no_team():
    assert DeviceTeam.on_gpus(1) == Team.alone()


def test_more_gpus_than_there_are_is_an_error():
    with pytest.raises(RunError, match="--gpus 2: TensorFlow sees 0 GPUs here; expected as many"):
        DeviceTeam.on_gpus(2)


@pytest.mark.parametrize("count", [2, 8, 9, 31])
def test_each_row_is_on_one_device_or_a_few_rows_on_all(monkeypatch, count):
    team = DeviceTeam()
    parts = []
    monkeypatch.setattr(DeviceTeam, "parts", 3)
    for number in range(3):
        monkeypatch.setattr(DeviceTeam, "number", number)
        first, rows = (int(each) for each in team.part(tf.constant(count)))
        parts.append(range(first, first + rows))
        assert (first, first + rows) == (lambda own: (own.start, own.stop))(Team(number, 3).rows(count))
    if count >= 3:
        assert [row for part in parts for row in part] == list(range(count))


class _Counts(keras.layers.Layer):
    """A layer with a state that each call changes."""

    def __init__(self) -> None:
        super().__init__(name="counts")
        self.calls = self.add_weight(shape=(), trainable=False, name="calls")

    def call(self, inputs):
        self.calls.assign_add(1.0)
        return inputs


class _Renormalized(keras.layers.BatchNormalization):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask)


@pytest.mark.parametrize("layer", [_Counts(), _Renormalized(name="own"), keras.layers.ActivityRegularization(0.1)])
def test_a_state_or_a_loss_that_devices_cannot_share_is_refused(layer):
    model = keras.Sequential([keras.Input((4,)), layer])
    model(tf.ones((2, 4)), training=False)
    with pytest.raises(RunError, match=f"the layer {layer.name} .* has a state or a loss of its own"):
        refuse_unshared(model)


def test_layers_that_devices_share_are_not_refused():
    layers = [keras.layers.Normalization(), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    refuse_unshared(keras.Sequential([keras.Input((4,)), *layers]))
    refuse_unshared(keras.Sequential([keras.Input((4,)), _Renormalized(trainable=False)]))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folders of the runs of one device, of two and of three, by their number; all recipes of the teams."""
    root = tmp_path_factory.mktemp("devices")
    recipes = write_recipes(root, (*LABELLED, *SEGMENTED))
    return {
        count: trained(1, root / str(count), recipes, TEAM_DEVICES=str(count), TLKIT_CACHE=str(root / f"cache-{count}"))
        for count in (1, 2, 3)
    }


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", EXACT)
def test_weights_and_metrics_are_those_of_one_device(runs, name, count):
    assert_alike(runs[1] / name, runs[count] / name, weights=1e-6, metrics=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", SYNCHRONIZED)
def test_batch_normalization_trains_over_all_devices(runs, name, count):
    assert_alike(runs[1] / name, runs[count] / name, weights=1e-4, metrics=1e-4)
    assert_same_epoch(runs[1] / name, runs[count] / name)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_half_precision_trains_on_devices(runs, count):
    # float16 rounds each device's part of a sum by itself
    assert largest_difference(runs[1] / "half_precision", runs[count] / "half_precision") <= 1e-3
