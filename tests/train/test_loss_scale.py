"""The loss scale: it leaves gradients unchanged, and skips steps that overflow."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tlkit
from tlkit.train.loss_scale import LossScale


def step(scale, *gradients):
    """Return the gradients that the update was called with."""
    taken = []
    scale.apply([None if each is None else tf.constant(each) for each in gradients], taken.extend)
    return [None if each is None else each.numpy().tolist() for each in taken]


def state(scale):
    return [float(each) for each in scale.variables]


def test_gradients_are_those_of_the_unscaled_loss():
    scale = LossScale()
    variable = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        loss = scale.scaled(variable * 2.0)
    assert step(scale, tape.gradient(loss, variable), None) == [2.0, None]


def test_a_step_that_overflows_is_skipped_and_halves_the_scale():
    scale = LossScale()
    (before, _) = state(scale)
    step(scale, [1.0])
    assert step(scale, [1.0, np.inf], [1.0]) == []
    assert state(scale) == [before / 2, 0]
    assert step(scale, [before]) == [[2.0]]


def test_the_scale_doubles_after_many_steps_without_overflow(monkeypatch):
    monkeypatch.setattr(LossScale, "GROWTH_STEPS", 3)
    scale = LossScale()
    (before, _) = state(scale)
    for _ in range(3):
        step(scale, [1.0])
    assert state(scale) == [2 * before, 3]


def test_gradients_that_are_not_finite_at_any_scale_are_applied_in_the_end():
    scale = LossScale()
    taken = [step(scale, [np.nan]) for _ in range(20)]
    assert taken[0] == []
    assert np.isnan(taken[-1]).all()
    assert state(scale)[0] == 1.0


def test_a_run_in_half_precision_learns_as_well_as_one_in_full(registry, write_recipe, tmp_path):
    recipe = write_recipe(
        name="half",
        input={"image_size": 16, "batch_size": 128},
        backbone={"name": "small_cnn"},
        schedule={"name": "from_scratch", "epochs": 6, "learning_rate": 3e-3},
        train={"precision": "mixed_float16"},
    )
    losses = [
        tlkit.run(recipe, overrides, tmp_path / name, registry=registry, quiet=True).metrics["validation"]["loss"]
        for name, overrides in (("half", ()), ("full", ["train.precision=float32"]))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=5e-3)
    assert losses[0] < 2.29  # ln(10) is chance
