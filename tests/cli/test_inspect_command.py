"""``tlkit inspect``: the tables, the pictures and the phases, compared with the model and the freeze table."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image
from recipe_text import recipe_text

import tlkit
from tlkit.jobs import from_recipe, inspect_pictures
from tlkit.jobs.inspect import inspect_recipe, inspect_run
from tlkit.jobs.inspect_pictures import pictures
from tlkit.models.graph import operations
from tlkit.recipe.load import load_recipe
from tlkit.report.feature_maps import block_outputs
from tlkit.runs.folder import RunFolder

SETTINGS = {
    "seed": 5,
    "input": {"image_size": 32, "batch_size": 512, "normalize": "standardize"},
    "backbone": {"name": "resnet", "units": [1, 1, 1], "filters": [8, 8, 16], "depth": 18},
    "schedule": {"name": "two_phase", "head_epochs": 1, "finetune_epochs": 1, "unfreeze_from": "conv3"},
    "train": {"restore_best": False},
}
FILES = {"model.png", "kernels.png", "weights.png", "features.png", "index.html"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("inspect") / "tiny.toml"
    file.write_text(recipe_text(**SETTINGS))
    return file


@pytest.fixture(scope="module")
def run(recipe, registry) -> Path:
    return tlkit.run(recipe, out=recipe.parent / "run", registry=registry, quiet=True).folder


@pytest.fixture
def inspected(recipe, registry, tmp_path):
    return inspect_recipe(load_recipe(recipe, registry), tmp_path)


def test_the_rows_hold_every_layer_and_all_weights(inspected):
    model = inspected.network.model
    assert [row.name for row in inspected.layers] == [operation.name for operation in operations(model)]
    assert sum(row.weights for row in inspected.layers) == model.count_params()
    assert sum(group.weights for group in inspected.groups) == model.count_params()
    names = [name for group in inspected.groups for name in group.layers]
    assert sorted(names) == sorted(row.name for row in inspected.layers)


def test_the_groups_are_the_backbones_blocks_with_their_sizes(inspected):
    groups = {group.name: group for group in inspected.groups}
    assert list(groups) == ["input", "conv1", "conv2", "conv3", "conv4", "head"]
    assert [groups[name].stride for name in ("input", "conv1", "conv2", "conv3", "conv4")] == [1, 4, 4, 8, 16]
    assert groups["conv4"].shape == (2, 2, 16)
    assert groups["head"].shape == (10,)
    assert groups["conv4"].feeds_on == ("conv3",)


def test_the_phases_of_a_layer_are_those_of_the_freeze_table(run, recipe, registry, tmp_path):
    found = inspect_run(RunFolder(run), load_recipe(recipe, registry), tmp_path)
    with (run / "freeze.csv").open(newline="") as file:
        trained: dict[str, set[str]] = {}
        for row in csv.DictReader(file):
            if row["changed"] == "yes" and not row["variable"].startswith("seed_generator"):
                trained.setdefault(row["layer"], set()).add(row["phase"])
    assert {row.name: set(row.phases) for row in found.layers if row.phases} == trained


def test_a_run_is_shown_trained_and_before_training(run, recipe, registry, tmp_path):
    checked = load_recipe(recipe, registry)
    found = inspect_run(RunFolder(run), checked, tmp_path)
    model = keras.saving.load_model(run / "model.keras", compile=False)
    for layer in ("conv1_conv", "head_logits"):
        shown = found.trained.get_layer(layer).get_weights()
        np.testing.assert_array_equal(shown[0], model.get_layer(layer).get_weights()[0])
    normalization = found.network.model.get_layer("input_normalization")
    np.testing.assert_allclose(normalization.mean, model.get_layer("input_normalization").mean)
    (tmp_path / "fresh").mkdir()
    fresh = inspect_recipe(checked, tmp_path / "fresh").network.model
    for layer in ("conv1_conv", "conv4_block1_1_conv"):
        ours = found.network.model.get_layer(layer).get_weights()[0]
        np.testing.assert_array_equal(ours, fresh.get_layer(layer).get_weights()[0])
    np.testing.assert_array_equal(
        found.network.model.get_layer("conv1_conv").get_weights()[0], model.get_layer("conv1_conv").get_weights()[0]
    )
    before, after = (each.get_layer("conv4_block1_1_conv").get_weights()[0] for each in (found.network.model, model))
    assert not np.array_equal(before, after)


def test_each_block_has_feature_maps(inspected):
    outputs = block_outputs(inspected.network.model, inspected.groups)
    assert {name: tuple(tensor.shape[1:]) for name, tensor in outputs.items()} == {
        "conv1": (8, 8, 8),
        "conv2": (8, 8, 8),
        "conv3": (4, 4, 8),
        "conv4": (2, 2, 16),
    }


def test_a_recipe_is_shown_in_the_terminal_and_in_a_folder(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = tlkit_command("inspect", recipe)
    assert outcome.code == 0, outcome.err
    assert "conv3" in outcome.out
    assert "finetune" in outcome.out
    assert {path.name for path in Path("tiny-inspect").iterdir()} == FILES
    again = tlkit_command("inspect", recipe)
    assert again.code != 0
    assert "already exists" in again.err
    assert tlkit_command("inspect", recipe, "--overwrite", "--layers").out.count("conv3_block1_1_bn") == 1


def test_the_skips_of_a_segmentation_lead_to_the_decoder(registry, write_recipe, tmp_path):
    file = write_recipe(task="segmentation", data={"name": "digit_scenes"}, head={"name": "unet"}, **SETTINGS)
    (tmp_path / "store").mkdir()
    found = inspect_recipe(load_recipe(file, registry, ["data.count=40"]), tmp_path / "store")
    sources = {group.name: set(group.feeds_on) for group in found.groups}
    assert "conv3" in sources["head /8"]
    assert "conv2" in sources["head /4"]
    assert {group.stride for group in found.groups if group.name.startswith("head")} == {8, 4, 2, 1}
    assert set(pictures(found)) == FILES - {"index.html"}


def test_a_run_whose_images_are_missing_is_shown_without_feature_maps_and_notes_it(run, registry, tmp_path):
    photos = load_recipe(run / "recipe.toml", registry, ['data={name = "folder", path = "/nowhere"}'])
    found = inspect_run(RunFolder(run), photos, tmp_path)
    assert found.image is None
    assert "--image" in found.notes[0]
    assert "features.png" not in pictures(found)
    photo = tmp_path / "photo.png"
    Image.fromarray(np.full((50, 40, 3), 90, np.uint8)).save(photo)
    assert inspect_run(RunFolder(run), photos, tmp_path, photo).image.shape == (32, 32, 3)


def test_no_other_image_that_a_recipe_names_is_shown_of_a_run(run, registry, tmp_path, class_folders):
    """The recipe in the folder of a stranger's run may name private pictures of whoever looks at it."""
    private = class_folders({"a": 3, "b": 3}, name="private")
    (tmp_path / "store").mkdir()
    named = load_recipe(run / "recipe.toml", registry, [f'data={{name = "folder", path = "{private}"}}'])
    found = inspect_run(RunFolder(run), named, tmp_path / "store")
    assert found.image is None
    assert f"none of 6 images of {private} is one that {run / 'samples.csv'} records" in found.notes[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layer", "conv1_con"), 'no layer "conv1_con" with a kernel; did you mean "conv1_conv"'),
        (("--image", "missing.png"), "missing.png"),
    ],
)
def test_a_layer_or_image_that_does_not_exist_is_named(recipe, tmp_path, arguments, message):
    outcome = tlkit_command("inspect", recipe, "--out", tmp_path / "new", *arguments)
    assert outcome.code not in (0, 1)
    assert message in outcome.err
    assert not (tmp_path / "new").exists()


def test_missing_weights_are_noted_and_the_network_is_shown(recipe, registry, tmp_path):
    (tmp_path / "store").mkdir()
    found = inspect_recipe(load_recipe(recipe, registry, ["backbone.weights=missing.h5"]), tmp_path / "store")
    assert "missing.h5" in found.notes[0]
    assert found.before == "untrained"


def test_weights_of_an_earlier_run_are_named_and_the_head_is_untrained(run, recipe, registry, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(inspect_pictures, "weight_histograms", lambda layers: drawn.update(layers) or b"")
    (tmp_path / "store").mkdir()
    found = inspect_recipe(load_recipe(recipe, registry, [f"backbone.weights={run.as_posix()}"]), tmp_path / "store")
    assert found.before == "weights of run"
    assert found.state == "weights of run, untrained head"
    pictures(found)
    assert list(drawn["conv1_conv"]) == ["weights of run"]
    assert list(drawn["head_logits"]) == ["untrained"]


def test_only_imagenet_weights_are_called_published(inspected, tmp_path):
    published = replace(inspected, before="published weights", trained=inspected.network.model)
    assert [published.before_of(layer) for layer in ("conv1_conv", "head_logits")] == ["published weights", "untrained"]
    assert published.state == "trained"


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    outcome = tlkit_command("inspect", tmp_path)
    assert "not a run folder" in outcome.err


def test_the_phases_are_those_of_the_schedule(inspected, recipe, registry):
    plan = from_recipe.plan_phases(load_recipe(recipe, registry), inspected.network)
    assert [phase.name for phase in inspected.phases] == [phase.name for phase in plan]
    assert len(inspected.totals) == 1 + len(plan)


def test_a_recipe_that_does_not_describe_the_model_is_named(run, tmp_path, registry):
    recipe = load_recipe(run / "recipe.toml", registry, ["backbone.filters=[8, 8, 32]"])
    with pytest.raises(tlkit.RunError, match=r"recipe\.toml: doesn't describe model\.keras: the kernel of conv4\w+ is"):
        inspect_run(RunFolder(run), recipe, tmp_path)
