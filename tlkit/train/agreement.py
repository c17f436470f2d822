"""Checks that the workers of a training are still equal, and what they decide together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tlkit.models.freeze import digests
from tlkit.train.setting import Setting
from tlkit.train.steps import Steps
from tlkit.train.stopping import Stopping


def check_same_state(setting: Setting, steps: Steps, when: str) -> None:
    """Check that every worker has the same variables: those of the model, of the optimizers and of the averages.

    Args:
        setting: the network, and the workers.
        steps: the steps of the phase, whose state is compared.
        when: such as ``phase head ends``, for the message.

    Raises:
        RunError: a worker has others than the chief.
    """
    if setting.team.size == 1:
        return
    state = [np.asarray(each).tobytes() for variables in steps.state.values() for each in variables]
    text = json.dumps([digests(setting.network.model), [hashlib.sha256(each).hexdigest() for each in state]])
    setting.team.same(text, f"{when}: the state of the training")


def ends_phase(setting: Setting, stopping: Stopping, what: str, row: Mapping[str, Any], *, stop: bool) -> bool:
    """Return whether an epoch is the last of its phase, on every worker alike.

    Args:
        setting: the model, whose ``stop_training`` a callback may have set, and the workers.
        stopping: asked whether a signal came to any worker.
        what: the phase and the epoch, for the message.
        row: what was measured, on which all decisions rest.
        stop: whether the early stop ends the phase.

    Raises:
        RunError: a worker has measured something else than the chief.
    """
    team = setting.team
    team.same(json.dumps([row, stop]), f"{what}: what was measured")
    stopping.agree()
    return stop or team.any(bool(setting.network.model.stop_training))
