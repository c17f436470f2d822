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
    assert states == [{"values": {"seen": [1, 2]}}]
    optimizer = after.optimizer
    restore_callbacks([after], states)
    assert after.values == {"seen": [1, 2]}
    assert after.optimizer is optimizer
