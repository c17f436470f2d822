"""Renamed recipe keys: the old name is accepted wherever a key can be given, and means the new one."""

from __future__ import annotations

import json

import pytest
from run_folders import RECIPE, write_run

from tlkit import RecipeError, resume
from tlkit.jobs.resume import check_changes
from tlkit.recipe.jsonschema import recipe_schema
from tlkit.recipe.load import parse_recipe
from tlkit.recipe.renamed import RENAMED
from tlkit.report.runs import open_runs
from tlkit.runs.plugins import load_run_recipe

OLD = RECIPE + '[check]\nlying_extension = "skip"  # as in 0.1.0\n'
NEW = RECIPE + '[check]\nwrong_extension = "skip"\n'
LINE = OLD.splitlines().index('lying_extension = "skip"  # as in 0.1.0') + 1
COLUMNS = {"loss": [2.0, 1.0], "val_loss": [2.0, 1.5]}


def test_an_old_key_means_the_new_one(registry):
    recipe = parse_recipe(OLD, registry)
    assert recipe.check.wrong_extension == "skip"
    assert recipe.values == parse_recipe(NEW, registry).values
    assert "lying_extension" not in recipe.values["check"]


@pytest.mark.parametrize("table", ['check = { lying_extension = "skip" }', 'check.lying_extension = "skip"'])
def test_an_old_key_is_accepted_in_an_inline_table_and_with_dots(registry, table):
    assert parse_recipe(f"{table}\n{RECIPE}", registry).check.wrong_extension == "skip"


@pytest.mark.parametrize("text", [OLD, NEW, RECIPE], ids=["old", "new", "neither"])
@pytest.mark.parametrize("key", ["check.lying_extension", "check.wrong_extension"])
def test_an_override_replaces_the_value_whichever_name_it_and_the_recipe_use(registry, text, key):
    recipe = parse_recipe(text, registry, [f"{key}=error"])
    assert recipe.check.wrong_extension == "error"
    assert parse_recipe(recipe.text, registry).values == recipe.values


@pytest.mark.parametrize("last", ["check.lying_extension", "check.wrong_extension"])
def test_the_last_of_two_overrides_wins_whatever_their_names(registry, last):
    overrides = ["check.lying_extension=keep", "check.wrong_extension=keep", f"{last}=error"]
    assert parse_recipe(RECIPE, registry, overrides).check.wrong_extension == "error"


@pytest.mark.parametrize("reverse", [False, True])
def test_both_names_at_once_are_an_error_that_names_both_with_its_line(registry, reverse):
    keys = ['lying_extension = "skip"', 'wrong_extension = "skip"']
    text = "\n".join([RECIPE + "[check]", *(reversed(keys) if reverse else keys)])
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, registry)
    (problem,) = caught.value.problems
    assert problem.line == LINE + reverse
    assert problem.path == "check.lying_extension"
    assert problem.message == (
        'is the old name of "check.wrong_extension", which is given too; remove check.lying_extension'
    )


def test_a_wrong_value_of_an_old_key_has_the_line_of_that_key(registry):
    with pytest.raises(RecipeError) as caught:
        parse_recipe(OLD.replace('"skip"', '"skipp"'), registry)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("check.wrong_extension", LINE)
    assert problem.message.endswith('received "skipp"; did you mean "skip"?')


@pytest.mark.parametrize("text", [OLD, NEW, RECIPE], ids=["old", "new", "neither"])
@pytest.mark.parametrize("key", ["check.lying_extension", "check.wrong_extension"])
def test_a_wrong_override_is_quoted_as_it_was_given(registry, text, key):
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, registry, [f"{key}=skipp"])
    assert str(caught.value).startswith(f"--set {key}=skipp: ")


def test_the_schema_has_the_new_name_only(registry):
    text = json.dumps(recipe_schema(registry))
    for old, new in RENAMED.items():
        assert f'"{new[-1]}"' in text
        assert f'"{old[-1]}"' not in text


def test_an_old_run_resumes_without_a_change(registry, tmp_path):
    folder = write_run(tmp_path / "run", registry, {"all": COLUMNS}, metrics={"validation": {"loss": 1.5}})
    folder.recipe.write_text(OLD, encoding="utf-8")
    original = load_run_recipe(folder, registry)
    check_changes(original, load_run_recipe(folder, registry, ["check.wrong_extension=skip"]))
    with pytest.raises(RecipeError, match=r"check\.wrong_extension=keep: can't be changed"):
        resume(folder.path, ["check.wrong_extension=keep"], registry=registry, quiet=True)


def test_an_old_and_a_new_run_with_the_same_value_compare_as_equal(registry, tmp_path):
    old, new = (write_run(tmp_path / name, registry, {"all": COLUMNS}) for name in ("old", "new"))
    settings = parse_recipe(NEW, registry).values
    new.write_json(new.environment, {"settings": settings})
    check = {"lying_extension" if key == "wrong_extension" else key: value for key, value in settings["check"].items()}
    old.write_json(old.environment, {"settings": {**settings, "check": check}})
    first, second = open_runs([old.path, new.path])
    assert first.settings == second.settings
