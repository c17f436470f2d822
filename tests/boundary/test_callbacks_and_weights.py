"""What callbacks of plugins may do to a model, and what ends a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from recipe_text import recipe_text

import tlkit
from tlkit.recipe.source import parse_toml
from tlkit.registry.discovery import plugins

RECIPE = parse_toml(
    recipe_text(
        input={"image_size": 16, "batch_size": 512},
        backbone={"name": "small_cnn"},
        schedule={"name": "frozen", "epochs": 2},
        train={"cache": "off"},
    )
)
HEAD, FROZEN = "head_logits", "block1"


def run(tmp_path: Path, hook: Callable[..., object], *overrides: str) -> tlkit.jobs.finish.RunResult:  # type: ignore
    registry = plugins(tlkit.hookimpl(hook))
    return tlkit.run(RECIPE, list(overrides), tmp_path / "out", registry=registry, quiet=True)


def callback_that(change: Callable[[object], None], when: str = "on_epoch_end") -> Callable[..., object]:
    """Return a hook that offers a callback that changes its model once."""

    def tlkit_callbacks(run, phase):
        import keras

        def method(self, *_args, **_logs):
            if not getattr(self, "done", False):
                self.done = True
                change(self.model)

        return [type("Changes", (keras.callbacks.Callback,), {when: method})()]

    return tlkit_callbacks


def add_one(model, start: str) -> None:
    layer = next(each for each in model.layers if each.name.startswith(start) and each.weights)
    layer.weights[0].assign(layer.weights[0] + 1.0)


def test_a_callback_that_changes_a_frozen_weight_ends_the_run(tmp_path):
    with pytest.raises(tlkit.RunError, match="1 frozen variables changed: block1"):
        run(tmp_path, callback_that(lambda model: add_one(model, FROZEN)))
    assert not (tmp_path / "out" / "model.keras").exists()


def test_a_callback_may_change_weights_that_train(tmp_path):
    changed = run(tmp_path, callback_that(lambda model: add_one(model, HEAD), "on_train_begin"))
    assert (changed.folder / "report.html").is_file()


@pytest.mark.parametrize("start", [HEAD, FROZEN])
def test_a_plugin_that_changes_the_model_after_the_proof_ends_the_run(tmp_path, start):
    class Plugin:
        model = None

        @tlkit.hookimpl
        def tlkit_callbacks(self, run, phase):
            import keras

            callback = keras.callbacks.Callback()
            callback.on_train_begin = lambda logs=None: setattr(self, "model", callback.model)
            return [callback]

        @tlkit.hookimpl
        def tlkit_phase_finished(self, run, phase, metrics):
            add_one(self.model, start)

    with pytest.raises(tlkit.PluginError, match="1 variables changed after the phase had ended") as caught:
        tlkit.run(RECIPE, [], tmp_path / "out", registry=plugins(Plugin()), quiet=True)
    assert "Plugin" in str(caught.value)
    assert not (tmp_path / "out" / "model.keras").exists()


@pytest.mark.parametrize("when", ["on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_epoch_end"])
def test_a_callback_that_changes_the_learning_rate_ends_the_run(tmp_path, when):
    def faster(model):
        model.optimizer.learning_rate = 0.5

    hook = callback_that(faster, when)
    if when == "on_epoch_begin":  # the rate of the first epoch is set after it

        def tlkit_callbacks(run, phase):
            import keras

            return [keras.callbacks.LearningRateScheduler(lambda epoch: 0.5)]

        hook = tlkit_callbacks
    with pytest.raises(tlkit.PluginError, match=r"a callback changed the learning rate from .* to 0.5 .*callbacks"):
        run(tmp_path, hook)


def test_a_callback_that_seeds_the_generators_of_the_process_changes_no_bit(tmp_path):
    def tlkit_callbacks(run, phase):
        import random

        import keras
        import numpy as np

        class Seeds(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None):
                keras.utils.set_random_seed(batch)

            def on_epoch_begin(self, epoch, logs=None):
                random.random()
                np.random.default_rng()

        np.random.seed(7)
        return [Seeds()]

    overrides = ["augment.name=basic", "schedule.name=full", "schedule.epochs=1", "head.dropout=0.5"]
    seeded = run(tmp_path / "a", tlkit_callbacks, *overrides)
    plain = tlkit.run(RECIPE, overrides, tmp_path / "b", quiet=True)
    for name in ("metrics.csv", "freeze.csv"):
        assert (seeded.folder / name).read_bytes() == (plain.folder / name).read_bytes()
