"""The names of Keras's classes that a recipe may give are those that the installed Keras has."""

from __future__ import annotations

import inspect

import keras
import pytest

from tlkit.contracts import Optimizer
from tlkit.errors import RecipeError
from tlkit.models.graph import snake_case
from tlkit.models.keras_names import keras_class
from tlkit.models.tasks import learning_task
from tlkit.recipe.keras_classes import LOSSES, METRICS, OPTIMIZERS, OWN_METRICS
from tlkit.train.rates import make_optimizer


def found(module, accepts):
    members = [each for each in vars(module).values() if inspect.isclass(each) and accepts(each)]
    return sorted(snake_case(each.__name__) for each in members)


def test_the_losses_are_those_of_keras():
    loss = keras.losses.Loss
    assert found(keras.losses, lambda each: issubclass(each, loss) and each is not loss) == sorted(LOSSES)


def test_the_metrics_are_those_of_keras_that_compare_and_those_of_tlkit():
    def compares(member):
        return "y_true" in inspect.signature(member.update_state).parameters

    assert found(keras.metrics, lambda each: issubclass(each, keras.metrics.Metric) and compares(each)) == sorted(
        METRICS
    )
    kinds = [("classification", "single"), ("classification", "binary"), ("classification", "multi")]
    own = {name for each in [*kinds, ("segmentation", "single")] for name in learning_task(*each, 9).metrics()}
    assert own - set(METRICS) <= set(OWN_METRICS)


def test_the_optimizers_are_those_that_a_schedule_may_have():
    with pytest.raises(RecipeError) as caught:
        make_optimizer(Optimizer(name="qqqqqq"), 0.1)
    assert str(caught.value).endswith(f"the optimizers are {', '.join(OPTIMIZERS)}")


@pytest.mark.parametrize("name", ["SparseCategoricalCrossentropy", "sparse_categorical_crossentropy", "KLDivergence"])
def test_a_name_is_found_in_each_spelling_that_a_recipe_may_have(name):
    assert keras_class(name, keras.losses, lambda _member: True, what="loss", key="train.loss").__name__.lower() == (
        name.replace("_", "").lower()
    )
