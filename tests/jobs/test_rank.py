"""``tlkit rank``: which backbone suits the images of a recipe, by one pass of each."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from command_line import tlkit_command
from PIL import Image

import tlkit
from tlkit.evaluation.ranking import HeadScore
from tlkit.jobs.backbone_names import SMALL, candidates
from tlkit.recipe.load import load_recipe, parse_recipe
from tlkit.train.pooled import TimedPart

SMALL_CNN = {"name": "small_cnn", "filters": [4]}
BOTH = "small_cnn:filters=[8,16],resnet:depth=18,units=[1,1],filters=[8,16]"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def recipe(write_recipe, class_folders):
    photos = class_folders({"cat": 20, "dog": 20, "owl": 20})
    return write_recipe(
        name="photos", data={"name": "folder", "path": photos}, input={"image_size": 32}, backbone=SMALL_CNN
    )


def test_backbones_are_named_as_in_recipes(recipe, registry):
    found = candidates(load_recipe(recipe, registry), BOTH, registry)
    assert [each.title for each in found] == ["small_cnn filters=[8,16]", "resnet depth=18 units=[1,1] filters=[8,16]"]
    assert found[0].toml == '[backbone]\nname = "small_cnn"\nfilters = [8, 16]'
    for each in found:
        text = "\n".join(line for line in recipe.read_text().split("[backbone]")[0].splitlines())
        rest = recipe.read_text().partition("[head]")[2]
        pasted = parse_recipe(f"{text}\n{each.toml}\n\n[head]{rest}", registry)
        assert pasted.backbone.options == each.recipe.backbone.options
        assert pasted.backbone.record.name == each.recipe.backbone.record.name


def test_all_small_means_backbones_that_there_are(recipe, registry):
    found = candidates(load_recipe(recipe, registry), "all-small", registry)
    assert len(found) == len(SMALL)
    assert {each.recipe.backbone.options.weights for each in found} == {"imagenet"}


@pytest.mark.parametrize(
    ("backbones", "message"),
    [
        ("MobileNetV22", 'no backbone "MobileNetV22"; did you mean "MobileNetV2"?'),
        ("MobileNetV2:alpa=1.0", "alpa"),
        ("MobileNetV2:alpha=0.3", "expected one of 0.35"),
        ("MobileNetV2:alpha", 'received "alpha"'),
        ("MobileNetV2,MobileNetV2", "MobileNetV2 is named twice"),
        (",", "expected names such as MobileNetV2,DenseNet121"),
    ],
)
def test_a_backbone_that_there_is_not_is_an_error(recipe, backbones, message):
    outcome = tlkit_command("rank", recipe, "--backbones", backbones)
    assert outcome.code == 2
    assert "--backbones" in outcome.err
    assert message in outcome.err


def test_a_table_a_picture_and_the_lines_to_paste(recipe, folder):
    outcome = tlkit_command("rank", recipe, "--backbones", BOTH, "--csv", "r.csv", "--json", "r.json")
    assert outcome.code == 0, outcome.err
    with Image.open("photos-rank.png") as picture:
        assert picture.width > 400
    values = json.loads((folder / "r.json").read_text())
    assert values["images"] == 60
    with (folder / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["backbone"] for row in rows] == [each["backbone"] for each in values["backbones"]]
    for row, each in zip(rows, values["backbones"], strict=True):
        assert float(row["accuracy"]) == each["accuracy"] > 0.9  # a tint for each class
        assert float(row["low"]) <= float(row["accuracy"]) <= float(row["high"])
        assert float(row["seconds_per_image"]) > 0
        assert int(row["weights"]) > 0
    assert [row["told_apart"] for row in rows] == ["0", "0"]
    assert values["backbones"][0]["toml"] in outcome.out


def test_files_that_exist_are_kept(recipe, folder):
    (folder / "photos-rank.png").write_text("mine")
    outcome = tlkit_command("rank", recipe, "--backbones", "small_cnn")
    assert outcome.code == 2
    assert "photos-rank.png: already exists" in outcome.err
    assert (folder / "photos-rank.png").read_text() == "mine"


def test_a_backbone_whose_weights_are_not_here_is_left_out_with_the_reason(recipe, folder):
    ranking = tlkit.rank(recipe, ["small_cnn", f"MobileNetV2:weights={folder / 'none.h5'}"], quiet=True)
    assert [each.title for each in ranking.backbones] == ["small_cnn"]
    [(title, reason)] = ranking.left_out.items()
    assert title.startswith("MobileNetV2")
    assert "none.h5" in reason
    with pytest.raises(tlkit.DataError, match="none of the backbones can be tried"):
        tlkit.rank(recipe, [f"MobileNetV2:weights={folder / 'none.h5'}"], quiet=True)


def test_an_image_that_is_too_small_for_a_backbone_leaves_it_out(recipe):
    ranking = tlkit.rank(recipe, ["small_cnn", "Xception:weights=none"], quiet=True)
    assert "needs at least 71 x 71 pixels" in ranking.left_out["Xception weights=none"]


def test_masks_are_refused_with_the_reason(write_recipe):
    recipe = write_recipe(
        task="segmentation", data={"name": "digit_scenes", "count": 12, "size": 32}, head={"name": "unet"}
    )
    outcome = tlkit_command("rank", recipe, "--backbones", "small_cnn")
    assert outcome.code == 2
    assert "a mask has no label for the whole image" in outcome.err
    assert "tlkit compare" in outcome.err


def test_a_sample_takes_the_classes_in_turn_and_each_image_is_computed_once(recipe, monkeypatch):
    counts = []
    original = TimedPart.__call__

    def counting(part, images):
        counts.append(len(images))
        return original(part, images)

    monkeypatch.setattr(TimedPart, "__call__", counting)
    ranking = tlkit.rank(recipe, "resnet:depth=18,units=[1,1],filters=[8,16]", sample=31, quiet=True)
    assert ranking.images == 31
    assert sum(counts) == 31
    assert "31 of 60 images were used, taken from all classes in turn" in ranking.notes
    counts.clear()
    again = tlkit.rank(recipe, "resnet:depth=18,units=[1,1],filters=[8,16]", sample=31, quiet=True)
    assert sum(counts) == 17  # its features are kept: only its time is measured
    assert again.best.score == ranking.best.score
    assert again.best.logme == ranking.best.logme


def test_a_random_network_is_behind_features_that_show_the_class(folder, write_recipe):
    """Of images in two sizes of noise, a deeper network with more channels tells more than one filter."""
    random = np.random.default_rng(0)
    for label, scale in (("fine", 1), ("coarse", 4)):
        (folder / "noise" / label).mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(0, 256, (32 // scale, 32 // scale, 3), np.uint8).repeat(scale, 0).repeat(scale, 1)
            Image.fromarray(pixels).save(folder / "noise" / label / f"{number}.png")
    recipe = write_recipe(data={"name": "folder", "path": folder / "noise"}, input={"image_size": 32})
    ranking = tlkit.rank(recipe, ["small_cnn:filters=[1]", "small_cnn:filters=[32,64]"], quiet=True)
    assert ranking.best.title == "small_cnn filters=[32,64]"
    assert ranking.best.logme == max(each.logme for each in ranking.backbones)


def test_what_groups_make_uncertain_is_not_told_apart():
    right = np.repeat([1.0, 0.0], 30)
    best = HeadScore(0.0, np.stack([np.ones(60), np.ones(60), np.ones(60)]))
    worse = HeadScore(0.0, np.stack([right, np.ones(60), np.ones(60)]))
    assert worse.is_behind(best, [None] * 60)
    wrong = HeadScore(0.0, np.stack([np.zeros(60), np.ones(60), np.ones(60)]))
    assert wrong.is_behind(best, [None] * 60)
    same = HeadScore(0.0, np.stack([1 - 0.02 * right, np.ones(60), np.ones(60)]))
    assert not best.is_behind(same, [None] * 60)
    assert worse.interval(["a"] * 30 + ["b"] * 30) == (0.0, 1.0)
