"""Train recipes as one worker of a team, or alone: ``python team_worker.py FOLDER RECIPE…``.

The workers are those in ``TF_CONFIG``; without it there is one. For each recipe, ``FOLDER/<stem>`` is the run folder;
worker r writes there ``worker-<r>.npz``, all variables, and ``worker-<r>.json``, what it counted and what was said.
``TEAM_STOP=1:9`` has worker 1 send itself SIGTERM after nine steps; a worker that was stopped ends with 143.
``TEAM_DEVICES=2`` has one process train on two logical devices of its processors.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlkit.system.signals import Interrupted, Signals
from tlkit.system.tensorflow import start_tensorflow


def main() -> None:
    """Train every recipe, one after the other."""
    start_tensorflow()
    from tlkit.train.devices import DeviceTeam
    from tlkit.train.team import Team

    devices = int(os.environ.get("TEAM_DEVICES", "1"))
    if devices > 1:
        import tensorflow as tf

        [processor] = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * devices)
        team = DeviceTeam.on([f"CPU:{number}" for number in range(devices)])
    else:
        team = Team.joined() if os.environ.get("TF_CONFIG") else Team.alone()
    folder = Path(sys.argv[1])
    try:
        for recipe in sys.argv[2:]:
            train(Path(recipe), folder / Path(recipe).stem, team)
    except Interrupted as stopped:
        sys.exit(stopped.exit_code)


def train(file: Path, folder: Path, team: Any) -> None:
    """Train a recipe in a folder, from its newest checkpoint if it has one."""
    import keras
    import numpy as np

    from tlkit.jobs import from_recipe
    from tlkit.models.freeze import keyed_variables
    from tlkit.recipe.load import load_recipe
    from tlkit.registry.discovery import make_registry
    from tlkit.runs.folder import RunFolder
    from tlkit.system.progress import Reporter
    from tlkit.train.checkpoint import read_checkpoints
    from tlkit.train.feature_set import FeatureSet
    from tlkit.train.loop import Training
    from tlkit.train.outlets import Outlets

    said: list[str] = []

    class Noted(Reporter):
        def say(self, message: str, **_options: Any) -> None:
            said.append(message)

    recipe = load_recipe(file, make_registry(environ={}))
    store = folder.with_name(f"{folder.name}-store-{team.rank}")
    store.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    data = from_recipe.open_data(recipe, store)
    network = from_recipe.build_network(recipe, data.classes, data.label_kind)
    setting = from_recipe.make_setting(recipe, data, network, from_recipe.build_policies(recipe, data))
    signals = Signals()
    rank, _, steps = os.environ.get("TEAM_STOP", "-1:0").partition(":")
    left = [int(steps) if int(rank) == team.rank else -1]

    class Stop(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            left[0] -= 1
            if left[0] == 0:
                signal.raise_signal(signal.SIGTERM)

    computed: list[int] = []
    fill = FeatureSet.fill

    def counted(*arguments: Any) -> int:
        computed.append(fill(*arguments))
        return computed[-1]

    FeatureSet.fill = counted  # type: ignore[method-assign]
    outlets = Outlets(RunFolder(folder), Noted(quiet=True), callbacks=lambda *_: [Stop()], signals=signals)
    training = Training(replace(setting, team=team), outlets)
    phases = from_recipe.plan_phases(recipe, network)
    checkpoints = read_checkpoints(folder / "checkpoints", print)
    with signals.handled():
        training.run(phases, checkpoints[0] if checkpoints else None)
    FeatureSet.fill = fill  # type: ignore[method-assign]
    values = {key: np.array(value) for key, value in keyed_variables(network.model).items()}
    np.savez(folder / f"worker-{team.rank}.npz", **values)
    ledger = training.ledger
    facts = {
        "epochs": ledger.epochs_done,
        "best": ledger.best_epoch,
        "metrics": dict(ledger.best_metrics),
        "computed": sum(computed),
        "images": len(setting.train_rows),
        "cached": training._last.passes.cached if training._last else False,
        "said": said,
    }
    (folder / f"worker-{team.rank}.json").write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
