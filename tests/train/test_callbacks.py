"""The state of Keras callbacks in a checkpoint."""

from __future__ import annotations

import json

import keras

from tlkit.train.callbacks import callback_states, restore_callbacks


class Counter(keras.callbacks.Callback):
    def __init__(self, values: dict[str, list[int]]) -> None:
        super().__init__()
        self.values = values
        self.optimizer = object()
        self.by_number = {1: 2}


def test_plain_attributes_survive_a_checkpoint_and_others_stay_as_they_are() -> None:
    before, after = Counter({"seen": [1, 2]}), Counter({"seen": []})
    before.set_params({"epochs": 3})
    states = json.loads(json.dumps(callback_states([before])))
    assert states == [{"values": {"seen": [1, 2]}, "name of the class": "Counter"}]
    optimizer = after.optimizer
    restore_callbacks([after], states)
    assert after.values == {"seen": [1, 2]}
    assert after.optimizer is optimizer


class Other(keras.callbacks.Callback):
    """A callback without a state of its own."""


def test_a_state_goes_to_the_callback_of_its_class_though_others_come_or_go() -> None:
    states = callback_states([Other(), Counter({"seen": [1]}), Counter({"seen": [2]})])
    first, second = Counter({"seen": []}), Counter({"seen": []})
    restore_callbacks([first, Other(), second], states)
    assert [first.values, second.values] == [{"seen": [1]}, {"seen": [2]}]


def test_states_without_classes_as_tlkit_0_2_0_wrote_them_go_by_place() -> None:
    first, second = Counter({"seen": []}), Counter({"seen": []})
    restore_callbacks([first, second], [{"values": {"seen": [1]}}, {"values": {"seen": [2]}}])
    assert [first.values, second.values] == [{"seen": [1]}, {"seen": [2]}]
