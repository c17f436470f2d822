"""Checkpoints of tlkit 0.1.0 are read, and those written now have the same keys."""

from __future__ import annotations

import json
from typing import Any

from tlkit import EarlyStop
from tlkit.train.state import PhaseState, State

DIGEST = "ff32a7586cea7a259b6fcad14ce413c8b3473c7de6ee9eae7767c4bdb5f5e2b7"
WRITTEN_BY_0_1_0: dict[str, Any] = {
    "format": 1,
    "number": 8,
    "phase": 1,
    "inside": {
        "epoch": 1,
        "step": 4,
        "stopped": False,
        "cached": True,
        "plateau_factor": 0.5,
        "watch": {"best_value": 2.27, "best_epoch": -1, "stop": [None, 0], "plateau": [2.27, 1]},
        "rows": [{"loss": 2.57, "val_loss": 2.29}],
        "before": {"conv1_conv/kernel": DIGEST},
        "callbacks": [{"wait": 1}],
    },
    "epochs_done": 3,
    "kept": {"loss": 2.3, "val_loss": 2.27},
    "kept_epoch": 2,
    "monitor": "val_loss",
    "initial": {"conv1_conv/kernel": DIGEST},
    "history": "phase,epoch,loss,val_loss,learning_rate\r\n",
    "times": "phase,epoch,seconds\r\n",
    "freeze": "phase,layer,variable,should_change,changed\r\n",
    "planned": [{"epochs": 2, "early_stop": None}, {"epochs": 3, "early_stop": {"patience": 3, "min_delta": 0.0}}],
}


def test_the_state_of_a_0_1_0_checkpoint_is_read() -> None:
    state = State.model_validate_json(json.dumps(WRITTEN_BY_0_1_0))
    assert state.best_metrics == {"loss": 2.3, "val_loss": 2.27}
    assert state.best_epoch == 2
    assert isinstance(state.inside, PhaseState)
    assert state.inside.watch.plateau == (2.27, 1)
    assert state.planned is not None
    assert state.planned[1].early_stop == EarlyStop(patience=3)


def test_a_state_without_plans_is_read() -> None:
    older = {key: value for key, value in WRITTEN_BY_0_1_0.items() if key != "planned"}
    assert State.model_validate_json(json.dumps(older)).planned is None


def test_a_state_is_written_with_the_keys_of_0_1_0() -> None:
    state = State.model_validate_json(json.dumps(WRITTEN_BY_0_1_0))
    written = json.loads(state.text())
    assert written["inside"].pop("engine") is None  # newer
    assert written.pop("engine") is None  # newer
    assert written == WRITTEN_BY_0_1_0
    assert list(written) == list(WRITTEN_BY_0_1_0)
    made_here = State(**{field: getattr(state, field) for field in State.model_fields})
    assert made_here.text() == state.text()
