"""Train recipes as one worker of a team, or alone: ``python team_worker.py FOLDER RECIPE…``.

The workers are those in ``TF_CONFIG``; without it there is one. For each recipe, ``FOLDER/<stem>`` is the run folder;
worker r writes there ``worker-<r>.npz``, all variables, and ``worker-<r>.json``, what the ledger says and what was said.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlkit.system.tensorflow import start_tensorflow


def main() -> None:
    """Train every recipe, one after the other."""
    start_tensorflow()
    from tlkit.train.team import Team

    team = Team.joined() if os.environ.get("TF_CONFIG") else Team.alone()
    folder = Path(sys.argv[1])
    for recipe in sys.argv[2:]:
        train(Path(recipe), folder / Path(recipe).stem, team)


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
    from tlkit.train.loop import Training
    from tlkit.train.outlets import Outlets

    class Noted(Reporter):
        said: list[str] = []

        def say(self, message: str, **_options: Any) -> None:
            self.said.append(message)

    recipe = load_recipe(file, make_registry(environ={}))
    store = folder.with_name(f"{folder.name}-store-{team.rank}")
    store.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    data = from_recipe.open_data(recipe, store)
    network = from_recipe.build_network(recipe, data.classes, data.label_kind)
    setting = from_recipe.make_setting(recipe, data, network, from_recipe.build_policies(recipe, data))
    training = Training(replace(setting, team=team), Outlets(RunFolder(folder), Noted(quiet=True)))
    phases = from_recipe.plan_phases(recipe, network)
    checkpoints = read_checkpoints(folder / "checkpoints", print)
    training.run(phases, checkpoints[0] if checkpoints else None)
    values = {key: np.array(value) for key, value in keyed_variables(network.model).items()}
    np.savez(folder / f"worker-{team.rank}.npz", **values)
    ledger = training.ledger
    facts = {
        "epochs": ledger.epochs_done,
        "best": ledger.best_epoch,
        "metrics": dict(ledger.best_metrics),
        "cached": training._last.passes.cached if training._last else False,
        "said": Noted.said,
    }
    (folder / f"worker-{team.rank}.json").write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
