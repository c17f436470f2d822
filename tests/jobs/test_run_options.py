"""Whole runs with optional features: normalization, averaged weights, chains of augmentation policies."""

from __future__ import annotations

import csv
import json

import keras
import numpy as np
import pytest
from recipe_text import recipe_text

import tlkit
from tlkit import RecipeError
from tlkit.recipe.load import load_recipe
from tlkit.registry.discovery import make_registry

DIGITS = {
    "input": {"image_size": 16, "batch_size": 256},
    "backbone": {"name": "small_cnn", "filters": [8, 8]},
    "schedule": {"epochs": 2, "learning_rate": 0.01},
}

SCENES = """
name = "scenes"
task = "segmentation"
[data]
name = "digit_scenes"
count = 24
size = 48
[input]
image_size = 48
batch_size = 8
[backbone]
name = "small_encoder"
filters = [8, 8]
convs = 1
[head]
name = "linear_seg"
[[augment]]
name = "flip"
[[augment]]
name = "swap"
share = 0.25
[schedule]
name = "full"
epochs = 1
"""

SWAP = """
import tlkit

class SwapOptions(tlkit.Options):
    share: float = 0.5

def build(ctx, options):
    def augment(batch, seed):
        key = "segmentation_masks" if ctx.task == "segmentation" else "labels"
        for each in ("images", key):
            batch[each] = (1 - options.share) * batch[each] + options.share * batch[each][::-1]
        return batch
    return augment

@tlkit.hookimpl
def tlkit_augmentations():
    return [tlkit.Augmentation(name="swap", summary="", options=SwapOptions, build=build, soft_labels=True)]
"""


@pytest.fixture
def mixing(tmp_path):
    """Return a registry with a policy that mixes images."""
    plugin = tmp_path / "swap.py"
    plugin.write_text(SWAP)
    return make_registry([plugin], environ={})


@pytest.fixture
def run(tmp_path, registry):
    """Return a function that runs a recipe text and returns the run folder."""

    def go(text, *overrides, plugins=registry):
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(text)
        return tlkit.run(recipe, overrides, tmp_path / "run", registry=plugins, quiet=True).folder

    return go


def problems(tmp_path, registry, text, *overrides):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, registry, overrides)
    return caught.value.problems


@pytest.mark.parametrize(("setting", "spread"), [("center", 127.5), ("standardize", None)])
def test_the_statistics_of_the_training_images_are_saved_in_the_model(run, setting, spread):
    folder = run(recipe_text(**DIGITS), f"input.normalize={setting}", "schedule.epochs=1")
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    layer = model.get_layer("input_normalization")
    mean, deviation = np.ravel(layer.mean), np.sqrt(np.ravel(layer.variance))
    assert len(set(mean.tolist())) == 1  # the digits are grey
    assert 20 < mean[0] < 120
    assert deviation == pytest.approx(spread or deviation)
    assert "preprocessing" not in {each.name for each in model.layers}


def test_a_backbone_with_preprocessing_of_its_own_takes_no_normalized_images(tmp_path, registry):
    text = recipe_text(**{**DIGITS, "backbone": {"name": "MobileNetV2"}})
    [problem] = problems(tmp_path, registry, text, "input.normalize=center")
    assert "MobileNetV2" in problem.message
    assert "small_cnn" in problem.message


def test_with_averaging_the_averaged_weights_are_validated_and_saved(run):
    folder = run(recipe_text(**DIGITS), "train.ema=0.9")
    with (folder / "metrics.csv").open(newline="") as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file)]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["validation"]["loss"] == pytest.approx(min(losses), rel=1e-4)


def test_an_average_that_hardly_moves_still_trains(run):
    folder = run(recipe_text(**DIGITS), "train.ema=0.999999", "train.restore_best=false", "schedule.epochs=1")
    with (folder / "freeze.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["changed"] for row in rows if row["should_change"] == "yes"} == {"yes"}


def test_a_chain_with_a_mixing_policy_runs_on_masks(run, mixing):
    folder = run(SCENES, plugins=mixing)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics["validation"]["iou"]) == {"background", "digit"}


def test_a_policy_of_a_chain_is_overridden_by_its_index(tmp_path, mixing):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(SCENES)
    found = load_recipe(recipe, mixing, ["augment.1.share=0.5"])
    assert [each.record.name for each in found.augment] == ["flip", "swap"]
    assert found.augment[1].options.share == 0.5
    assert [each["name"] for each in found.values["augment"]] == ["flip", "swap"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("augment.2.share=1.0", "expected an index, as in augment.0"),
        ("augment.name=flip", "expected an index, as in augment.0"),
        ("augment.0.share=1.0", "share"),
        ("augment=[]", "that are applied in their order"),
    ],
)
def test_a_chain_that_is_not_valid_says_what_was_expected(tmp_path, mixing, override, message):
    assert any(message in str(problem) for problem in problems(tmp_path, mixing, SCENES, override))


def test_a_problem_in_a_chain_has_the_line_of_its_table(tmp_path, mixing):
    text = SCENES.replace("share = 0.25", "shaer = 0.25")
    [problem] = problems(tmp_path, mixing, text)
    assert text.split("\n")[problem.line - 1] == "shaer = 0.25"


def test_a_policy_for_class_numbers_can_not_follow_one_that_mixes_masks(tmp_path, mixing):
    text = SCENES.replace('"flip"', '"swap"', 1).replace('"swap"\nshare = 0.25', '"flip"')
    [problem] = problems(tmp_path, mixing, text)
    assert '"flip" can\'t follow "swap"' in problem.message


def test_a_loss_for_class_numbers_is_refused_with_a_mixing_policy(run, mixing):
    with pytest.raises(RecipeError, match="mixes targets"):
        run(SCENES, "train.loss=sparse_categorical_crossentropy", plugins=mixing)


def test_batch_normalization_on_a_single_image_is_noted_before_the_first_step(registry, write_recipe, tmp_path, capsys):
    recipe = write_recipe(**{**DIGITS, "backbone": {"name": "resnet", "depth": 18, "units": [1], "filters": [4]}})
    settings = ["input.validation=0.2", "input.batch_size=1436", "schedule.epochs=1"]
    tlkit.run(recipe, settings, tmp_path / "run", registry=registry)
    told = capsys.readouterr().out
    assert "note: phase full trains BatchNormalization, and the last batch of 1437 images is a single image" in told
    assert told.index("single image") < told.index("epoch 1/1")
