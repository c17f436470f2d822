"""Learning rates and optimizers."""

from __future__ import annotations

import pytest

from tlkit import Constant, Cosine, Optimizer, Phase, Plateau, RecipeError, Step
from tlkit.train.rates import LearningRate, curve_factor, make_optimizer


def phase(curve, epochs=10):
    return Phase(name="p", epochs=epochs, learning_rate=0.1, curve=curve)


def test_cosine_falls_from_one_to_its_final_share():
    curve = Cosine(name="cosine", final=0.2)
    assert curve_factor(phase(curve), 0) == pytest.approx(1.0)
    assert curve_factor(phase(curve), 5) == pytest.approx(0.6)
    assert curve_factor(phase(curve), 10) == pytest.approx(0.2)


def test_warm_up_rises_linearly_before_the_curve_begins():
    curve = Cosine(name="cosine", warmup_epochs=2)
    assert curve_factor(phase(curve), 1) == pytest.approx(0.5)
    assert curve_factor(phase(curve), 2) == pytest.approx(1.0)


def test_the_first_step_of_a_warm_up_is_not_zero():
    rates = LearningRate(phase(Constant(warmup_epochs=1)), steps=4)
    assert [rates.at(0, step) for step in range(4)] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert rates.at(1, 0) == pytest.approx(0.1)


def test_step_lowers_the_rate_at_the_start_of_its_epochs():
    rates = LearningRate(phase(Step(name="step", at=(2, 4), factor=0.1)), steps=3)
    assert rates.at(1, 2) == pytest.approx(0.1)
    assert rates.at(2, 0) == pytest.approx(0.01)
    assert rates.at(4, 0) == pytest.approx(0.001)


def test_plateau_lowers_the_rate_by_its_factor_but_not_below_its_floor():
    rates = LearningRate(phase(Plateau(name="plateau", min_learning_rate=0.03)), steps=1)
    assert rates.at(0, 0) == pytest.approx(0.1)
    rates.plateau_factor = 0.5
    assert rates.at(1, 0) == pytest.approx(0.05)
    rates.plateau_factor = 0.01
    assert rates.at(2, 0) == pytest.approx(0.03)


def test_an_optimizer_gets_its_arguments():
    optimizer = make_optimizer(Optimizer(name="sgd", momentum=0.8), 0.5)
    assert optimizer.momentum == 0.8
    assert float(optimizer.learning_rate) == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Optimizer(name="rmsprob"), 'did you mean "rmsprop"'),
        (Optimizer(name="sgd", momentun=0.9), 'did you mean "momentum"'),
        (Optimizer(name="sgd", use_ema=True), r"\[train\] ema"),
    ],
)
def test_an_unknown_optimizer_or_argument_is_refused_with_a_suggestion(options, message):
    with pytest.raises(RecipeError, match=message):
        make_optimizer(options, 0.1)


@pytest.mark.parametrize(
    "options",
    [
        {"name": "adam"},
        {"name": "adam", "clipnorm": 0.1, "epsilon": 1e-3},
        {"name": "adam", "amsgrad": True},
        {"name": "adamw", "weight_decay": 0.1, "beta_1": 0.8},
    ],
    ids=str,
)
def test_adam_in_one_pass_updates_as_keras_does(options):
    import keras
    import numpy as np
    import tensorflow as tf

    draws = np.random.default_rng(0)
    arguments = {name: value for name, value in options.items() if name != "name"}
    theirs = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[options["name"]](0.01, **arguments)
    optimizers = (make_optimizer(Optimizer(**options), 0.01), theirs)
    first = [draws.normal(size=shape).astype(np.float32) for shape in ((30, 7), (5,))]
    gradients = [[draws.normal(size=each.shape).astype(np.float32) for each in first] for _ in range(5)]

    def trained(optimizer):
        variables = [keras.Variable(each) for each in first]
        optimizer.build(variables)
        step = tf.function(lambda *given: optimizer.apply(list(given), variables), autograph=False)
        for each in gradients:
            step(*map(tf.constant, each))
        return [np.asarray(each) for each in (*variables, *optimizer.variables)]

    found = [trained(optimizer) for optimizer in optimizers]
    for one, other in zip(*found, strict=True):
        # TensorFlow subtracts beta_2 from 1 in float32, as both do to correct the bias; Keras's own step in float64.
        np.testing.assert_allclose(one, other, rtol=5e-5, atol=1e-6)


def test_adam_takes_gradients_of_chosen_rows_as_keras_does():
    import keras
    import numpy as np
    import tensorflow as tf

    found = []
    for optimizer in (make_optimizer(Optimizer(), 0.01), keras.optimizers.Adam(0.01)):
        table = keras.Variable(np.ones((4, 2), np.float32))
        optimizer.build([table])
        optimizer.apply([tf.IndexedSlices(tf.ones((1, 2)), tf.constant([2]), tf.constant([4, 2]))], [table])
        found.append(np.asarray(table))
    np.testing.assert_array_equal(*found)
