"""Numbers of a recipe that would train nothing are told."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from recipe_text import recipe_text

from tlkit.contracts import Constant, Phase
from tlkit.errors import RecipeError
from tlkit.jobs.stages import build_network, note_long_warmups
from tlkit.models.losses import class_weights
from tlkit.recipe.load import parse_recipe


class FakeJob:
    def __init__(self, recipe=None):
        self.recipe = recipe
        self.notes = []
        self.reporter = SimpleNamespace(stage=lambda what: nullcontext())

    def say(self, text):
        pass

    def note(self, text):
        self.notes.append(text)


def test_a_warm_up_that_is_longer_than_its_phase_is_noted():
    job = FakeJob()
    phases = [
        Phase(name=name, epochs=epochs, learning_rate=0.1, curve=Constant(warmup_epochs=5))
        for name, epochs in (("short", 2), ("long", 5))
    ]
    note_long_warmups(job, phases)
    assert job.notes == [
        "phase short: warmup_epochs = 5 is more than its 2 epochs; the learning rate only rises to 0.4 times its value"
    ]


def test_a_head_that_outweighs_its_backbone_is_noted(registry):
    small = {"name": "small_cnn", "weights": "none", "filters": [2]}

    def notes(head):
        recipe = parse_recipe(recipe_text(backbone=small, head=head, input={"image_size": 64}), registry)
        job = FakeJob(recipe)
        build_network(job, SimpleNamespace(classes=("a", "b"), label_kind="single"))
        return job.notes

    assert notes({"name": "linear"}) == []
    (note,) = notes({"name": "flatten_mlp", "units": [512]})
    assert note.startswith('head "flatten_mlp" has ')
    assert note.endswith("tlkit plugins show head flatten_mlp")


def test_weights_of_zero_for_all_classes_are_refused():
    with pytest.raises(RecipeError, match="every class has weight 0"):
        class_weights({"a": 0.0, "b": 0.0}, ["a", "b"], np.array([3, 4]))


@pytest.mark.parametrize("value", ["inf", "1e300", "nan", "-1"])
def test_a_class_weight_that_no_loss_can_take_is_refused(value, registry):
    with pytest.raises(RecipeError, match=r"train\.class_weights"):
        parse_recipe(recipe_text(), registry, [f"train.class_weights={{a={value}}}"])
