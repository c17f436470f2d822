"""Numbers that no computer format holds end in a message with the line and the key, wherever a recipe has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from recipe_text import recipe_text

from tlkit.errors import RecipeError
from tlkit.recipe.load import parse_recipe, read_recipe
from tlkit.recipe.source import key_lines

# Python converts no decimal integer of more than 4,300 digits, and any hexadecimal one.
ENDLESS = {"decimal": "9" * 5000, "negative": "-" + "9" * 5000, "hexadecimal": "0x" + "f" * 5000}
LARGE = {**ENDLESS, "65 bits": str(2**63), "negative 65 bits": str(-(2**63) - 1), "octal": "0o" + "7" * 40}
FILE = Path("a.toml")


def problem(text, registry, *overrides):
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, registry, overrides, FILE)
    assert len(str(caught.value)) < 500
    return caught.value.problems[0]


@pytest.mark.parametrize("number", LARGE)
@pytest.mark.parametrize("form", ["{}", "[1, {}]", "{{ a = {} }}", "[[{}]]"])
def test_a_number_in_a_file_is_told_with_its_line_and_key(number, form, registry):
    text = f"seed = {form.format(LARGE[number])}\n{recipe_text()}"
    found = problem(text, registry)
    assert (found.file, found.line) == (FILE, 1)
    assert "seed" in str(found)
    assert "at most 64 bits" in found.message


@pytest.mark.parametrize("number", LARGE)
def test_the_line_is_that_of_the_number(number, registry):
    found = problem(f"{recipe_text()}\n[train]\nviews = 2\ncheckpoint_steps = {LARGE[number]}\nema = 0.5\n", registry)
    assert found.line == len(recipe_text().splitlines()) + 4
    assert "checkpoint_steps" in str(found)


@pytest.mark.parametrize("number", LARGE)
@pytest.mark.parametrize("key", ["seed", "input.image_size", "train.checkpoint_steps", "head.unknown", "a.b.c"])
def test_a_number_in_an_override_is_told_with_the_override(number, key, registry):
    found = problem(recipe_text(), registry, f"{key}={LARGE[number]}")
    assert found.path == "--set"
    assert found.message.startswith(f'"{key}=')
    assert "at most 64 bits" in found.message


@pytest.mark.parametrize("number", [2**63, -(2**64), 16**5000], ids=["65 bits", "negative", "20,000 bits"])
def test_a_number_in_a_recipe_of_python_values_is_told_with_its_key(number, registry):
    with pytest.raises(RecipeError, match=r"input\.image_size: expected an integer of at most 64 bits"):
        read_recipe({"name": "a", "task": "classification", "input": {"image_size": number}}, registry)


@pytest.mark.parametrize("value", ["1e999999", "inf", "-inf", "nan", "1979-05-27", "07:32:00", "1" + "0" * 5000 + ".0"])
@pytest.mark.parametrize("key", ["seed", "input.image_size", "input.validation", "head.dropout", "train.ema"])
def test_what_is_no_finite_number_is_told(key, value, registry):
    assert problem(recipe_text(), registry, f"{key}={value}").message


def test_the_largest_and_negative_zero_are_numbers(registry):
    text = recipe_text(head={"dropout": -0.0}, train={"checkpoint_steps": 2**63 - 1})
    assert parse_recipe(text, registry).train.checkpoint_steps == 2**63 - 1


def test_more_values_than_a_recipe_has_are_told(registry, monkeypatch):
    monkeypatch.setattr("tlkit.recipe.source._MAX_KEYS", 50)
    text = f"{recipe_text()}[train]\nmetrics = [{', '.join(['1'] * 60)}]\n"
    assert "more than 50 values" in problem(text, registry).message


def test_the_search_for_lines_ends(monkeypatch):
    monkeypatch.setattr("tlkit.recipe.source._MAX_PARSED", 1000)
    text = "".join(f"key{number} = 1\n" for number in range(500))
    lines = key_lines(text)
    assert lines["key9",] == 10
    assert 10 < len(lines) < 500


def test_a_name_that_is_too_long_for_a_folder_is_told(registry):
    assert "200 characters" in problem(recipe_text(name="x" * 300), registry).message


def test_thousands_of_unknown_keys_are_counted(registry):
    text = "".join(f"key{number} = 1\n" for number in range(1000)) + recipe_text()
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, registry)
    assert len(caught.value.problems) == 201
    assert "800 more problems are not listed" in str(caught.value)
