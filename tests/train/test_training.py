"""The loop: what a training leaves behind, and what a resumed one needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recipe_text import recipe_text

from tlkit.jobs import from_recipe
from tlkit.recipe.load import parse_recipe
from tlkit.runs.folder import RunFolder
from tlkit.system.progress import Reporter
from tlkit.train.checkpoint import read_checkpoints
from tlkit.train.loop import Training

RECIPE = recipe_text(
    name="small",
    input={"image_size": 16, "batch_size": 256},
    backbone={"name": "small_cnn"},
    schedule={"name": "two_phase", "head_epochs": 1, "finetune_epochs": 2, "unfreeze_from": "block2"},
    train={"cache": "off", "checkpoint_steps": 100},
)


@pytest.fixture
def make(registry, tmp_path) -> Callable[..., Training]:
    """A function that returns a new training in the folder of the test."""
    recipe = parse_recipe(RECIPE, registry)
    (tmp_path / "store").mkdir()
    data = from_recipe.open_data(recipe, tmp_path / "store")

    def make_training(**hooks) -> Training:
        network = from_recipe.build_network(recipe, data.classes, data.label_kind)
        return from_recipe.make_training(recipe, data, network, RunFolder(tmp_path), Reporter(quiet=True), **hooks)

    make_training.recipe = recipe
    return make_training


def phases_of(make, training):
    return from_recipe.plan_phases(make.recipe, training.setting.network)


def flags(training) -> list[bool]:
    return [layer.trainable for layer in training.setting.network.model.layers]


def test_checking_changes_no_flags(make):
    training = make()
    before = flags(training)
    training.check(phases_of(make, training))
    assert flags(training) == before


def test_each_phase_is_told_its_best_metrics(make, tmp_path):
    finished = []
    training = make(phase_finished=lambda folder, phase, metrics: finished.append((folder, phase.name, dict(metrics))))
    training.run(phases_of(make, training))
    history = training.ledger.history.read()
    assert [(folder, name) for folder, name, _ in finished] == [(tmp_path, "head"), (tmp_path, "finetune")]
    best = training.ledger.best_epoch
    assert history.columns["val_loss"][best - 1] == min(history.columns["val_loss"])
    assert finished[-1][2] == {name: values[best - 1] for name, values in history.columns.items()}
    assert training.ledger.monitor == "val_loss"


def test_a_training_that_had_ended_resumes_with_the_same_weights_flags_and_ledger(make, tmp_path):
    ended = make()
    ended.run(phases_of(make, ended))
    newest, *_ = read_checkpoints(tmp_path / "checkpoints", pytest.fail)
    resumed = make()
    assert flags(resumed) != flags(ended)
    resumed.run(phases_of(make, resumed), newest)
    assert flags(resumed) == flags(ended)
    for ours, theirs in zip(*(each.setting.network.model.weights for each in (resumed, ended)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name in ("epochs_done", "best_epoch", "best_metrics", "monitor"):
        assert getattr(resumed.ledger, name) == getattr(ended.ledger, name)
    assert Path(tmp_path / "metrics.csv").read_text(encoding="utf-8") == newest.state.history.replace("\r\n", "\n")
