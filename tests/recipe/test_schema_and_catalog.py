"""The JSON Schema for editors, the shipped recipes, and the text in a run folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import tlkit
from tlkit.recipe import catalog
from tlkit.recipe.jsonschema import recipe_schema
from tlkit.recipe.load import load_recipe, parse_recipe
from tlkit.recipe.portable import portable_text

SHIPPED = [recipe.name for recipe in catalog.shipped()]


@pytest.fixture(scope="module")
def validator(registry):
    schema = recipe_schema(registry)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_is_valid_for_tlkit_and_for_the_schema(registry, validator, name):
    recipe = catalog.find(name)
    load_recipe(recipe.file, registry)
    assert [error.message for error in validator.iter_errors(tomllib.loads(recipe.text))] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_opens_with_what_it_does_and_the_command_that_runs_it(name):
    recipe = catalog.find(name)
    opening = recipe.text.split("\n\n", 1)[0]
    assert recipe.summary.endswith(".")
    assert f"tlkit run recipes/{name}.toml" in opening
    assert tomllib.loads(recipe.text)["name"] == name.rpartition("/")[2]


QUICK = """
name = "quick"
task = "segmentation"
seed = 7
[data]
name = "digit_scenes"
[input]
image_size = 96
[backbone]
name = "small_encoder"
[head]
name = "unet"
[schedule]
name = "full"
epochs = 15
curve = { name = "cosine", warmup_epochs = 1 }
"""


def test_the_schema_accepts_what_tlkit_accepts(registry, validator):
    parse_recipe(QUICK, registry)
    assert list(validator.iter_errors(tomllib.loads(QUICK))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("image_size = 96", 'image_size = "96"'),
        ("image_size = 96", "image_size = 96\nbatchsize = 3"),
        ('name = "unet"', 'name = "unett"'),
        ('name = "unet"', 'name = "unet"\nfilers = [3]'),
        ("epochs = 15", "epochs = 0"),
        ('name = "cosine", ', 'name = "cosin", '),
        ("seed = 7", "sead = 7"),
        ('task = "segmentation"', ""),
    ],
)
def test_the_schema_refuses_what_tlkit_refuses(registry, validator, old, new):
    assert old in QUICK
    text = QUICK.replace(old, new, 1)
    with pytest.raises(tlkit.RecipeError):
        parse_recipe(text, registry)
    assert list(validator.iter_errors(tomllib.loads(text)))


@pytest.mark.parametrize("name", ["quickstart", "quickstart.toml", "recipes/quickstart.toml"])
def test_a_shipped_recipe_is_found_by_its_name_with_or_without_suffix(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert catalog.find(name).name == "quickstart"
    assert catalog.resolve(Path(name)).samefile(catalog.folder() / "quickstart.toml")


def test_a_file_takes_precedence_over_a_shipped_recipe_and_a_folder_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("quickstart").mkdir()
    assert catalog.resolve(Path("quickstart")).parent == catalog.folder()
    Path("pets_seg").write_text("")
    assert catalog.resolve(Path("pets_seg")) == Path("pets_seg")


def test_an_unknown_shipped_recipe_is_reported_with_the_nearest_one():
    with pytest.raises(tlkit.RecipeError, match='no shipped recipe "quikstart"; did you mean "quickstart"'):
        catalog.find("quikstart")


RECIPE = """
name = "r"
task = "classification"
{data}
[backbone]  # kept
name = "MobileNetV2"
weights = "{weights}"
[head]
name = "linear"
[schedule]
name = "frozen"
"""


@pytest.mark.parametrize(
    "data", ['data = { name = "folder", path = "photos" }', '[data]\nname = "folder"\npath = "photos"  # mine']
)
def test_the_text_of_a_run_has_absolute_paths_and_keeps_its_comments(registry, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = portable_text(parse_recipe(RECIPE.format(data=data, weights="w.weights.h5"), registry))
    values = tomllib.loads(text)
    assert values["data"]["path"] == (tmp_path / "photos").as_posix()
    assert values["backbone"]["weights"] == (tmp_path / "w.weights.h5").as_posix()
    assert "# kept" in text


def test_published_weights_are_not_a_path(registry):
    text = portable_text(parse_recipe(RECIPE.format(data='data = { name = "digits" }', weights="imagenet"), registry))
    assert tomllib.loads(text)["backbone"]["weights"] == "imagenet"
