"""The text of a recipe in a run folder: absolute paths and all comments, in every form of TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tlkit.recipe import catalog
from tlkit.recipe.load import parse_recipe
from tlkit.recipe.portable import portable_text

RECIPE = """\
# Kept above.
name = "r"
task = "classification"
DATA

[input]
samples = "earlier/samples.csv"   # kept beside
image_size = 96                   # no path

[backbone]
name = "small_encoder"
weights = "runs/one"

[head]
name = "linear"

[schedule]
name = "full"
"""
TABLE = '[data]\nname = "folder"\npath = "photos"   # mine'


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "data",
    [TABLE, 'data = { name = "folder", path = "photos" }', 'data.name = "folder"\ndata.path = "./photos"'],
    ids=["table", "inline table", "dotted keys"],
)
def test_every_path_is_absolute_and_everything_else_is_unchanged(registry, tmp_path, data):
    recipe = parse_recipe(RECIPE.replace("DATA", data), registry)
    values = tomllib.loads(portable_text(recipe))
    assert values["data"]["path"] == (tmp_path / "photos").as_posix()
    assert values["input"]["samples"] == (tmp_path / "earlier/samples.csv").as_posix()
    assert values["backbone"]["weights"] == (tmp_path / "runs/one").as_posix()
    assert values["input"]["image_size"] == 96
    assert set(values) == set(tomllib.loads(recipe.text))


def test_comments_stay_where_they_were(registry):
    lines = portable_text(parse_recipe(RECIPE.replace("DATA", TABLE), registry)).splitlines()
    assert lines[0] == "# Kept above."
    assert [line.partition("#")[2] for line in lines if "#" in line] == [
        " Kept above.",
        " mine",
        " kept beside",
        " no path",
    ]


def test_a_path_from_an_override_is_absolute_too(registry, tmp_path):
    recipe = parse_recipe(RECIPE.replace("DATA", TABLE), registry, ["data.path=others", "backbone.weights=../w.h5"])
    values = tomllib.loads(portable_text(recipe))
    assert values["data"]["path"] == (tmp_path / "others").as_posix()
    assert values["backbone"]["weights"] == (tmp_path.parent / "w.h5").as_posix()


def test_the_home_folder_is_expanded(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    recipe = parse_recipe(RECIPE.replace("DATA", TABLE.replace("photos", "~/photos")), registry)
    assert tomllib.loads(portable_text(recipe))["data"]["path"] == (tmp_path / "home/photos").as_posix()


def test_a_path_with_quotes_and_non_ascii_letters_survives(registry, tmp_path):
    data = """[data]\nname = "folder"\npath = '“my” "photos" ü'"""
    recipe = parse_recipe(RECIPE.replace("DATA", data), registry)
    assert tomllib.loads(portable_text(recipe))["data"]["path"] == (tmp_path / '“my” "photos" ü').as_posix()


def test_the_text_means_the_same_in_any_folder_and_making_it_twice_changes_nothing(registry, tmp_path, monkeypatch):
    text = portable_text(parse_recipe(RECIPE.replace("DATA", TABLE), registry))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert portable_text(parse_recipe(text, registry)) == text


@pytest.mark.parametrize("weights", ["imagenet", "none"])
def test_published_weights_and_none_are_not_paths(registry, weights):
    recipe = parse_recipe(RECIPE.replace("DATA", TABLE).replace("runs/one", weights), registry)
    assert tomllib.loads(portable_text(recipe))["backbone"]["weights"] == weights


@pytest.mark.parametrize("recipe", catalog.shipped(), ids=lambda recipe: recipe.name)
def test_a_shipped_recipe_has_only_the_path_of_the_users_images_and_is_otherwise_unchanged(registry, recipe):
    written = portable_text(parse_recipe(recipe.text, registry))
    assert written.replace(f'"{Path("photos").resolve().as_posix()}"', '"photos"') == recipe.text
