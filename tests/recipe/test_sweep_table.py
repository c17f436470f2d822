"""The table ``[sweep]``: what it may say, and what is refused before the first trial."""

from __future__ import annotations

import json

import pytest
from recipe_text import recipe_text

from tlkit.errors import RecipeError
from tlkit.recipe.load import parse_recipe
from tlkit.recipe.sweep_space import overrides_of, without_tables
from tlkit.recipe.sweep_table import Choices, Range, combination


def with_sweep(lines: str) -> str:
    return recipe_text() + "\n[sweep]\n" + lines


def problems(registry, lines: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(with_sweep(lines), registry)
    first = with_sweep("").count("\n") + 1
    return [f"{each.line - first if each.line else None} {each.path}: {each.message}" for each in caught.value.problems]


def test_ranges_and_arrays_of_any_key_are_read(registry):
    recipe = parse_recipe(
        with_sweep(
            'trials = 3\n"schedule.learning_rate" = { low = 1e-4, high = 1e-2, log = true }\n'
            '"head.dropout" = [0.0, 0.5]\n'
            'schedule.epochs = { low = 1, high = 3 }\n"head" = [{ name = "linear", dropout = 0.1 }]\n'
        ),
        registry,
    )
    assert recipe.sweep is not None
    assert recipe.sweep.table.trials == 3
    assert recipe.sweep.space == {
        "schedule.learning_rate": Range(low=1e-4, high=1e-2, log=True),
        "head.dropout": Choices((0.0, 0.5)),
        "schedule.epochs": Range(low=1, high=3),
        "head": Choices(({"name": "linear", "dropout": 0.1},)),
    }
    assert "sweep" not in recipe.values
    assert "sweep" not in without_tables(recipe.text, "sweep")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("trails = 6", '0 sweep.trails: expected an array of values, or a table such as { low = 1e-4, high = 1e-2, '
         'log = true }, received 6; did you mean "trials"?'),
        ("trials = 0", "0 sweep.trials: expected at least 1, received 0"),
        ('"name" = ["a"]', "0 sweep.name: name is the same for all trials"),
        ('"head.dropuot" = [0.1]', '0 sweep.head.dropuot: head.dropuot=0.1: unknown option of head "linear" (tlkit '),
        ('"head.dropout" = [0.1, 1.5]', "0 sweep.head.dropout: head.dropout=1.5: expected less than 1, received 1.5"),
        ('"head.dropout" = { low = -1.0, high = 0.5 }', "0 sweep.head.dropout: head.dropout=-1.0: expected at least 0"),
        ('"head.dropout" = { low = 0.5, high = 0.1 }', "0 sweep.head.dropout: expected low below high"),
        ('"head.dropout" = { low = 0.0, high = 0.1, log = true }', "0 sweep.head.dropout: expected low above 0"),
        ('"head.dropout" = { low = 0.0, hihg = 0.1 }', '0 sweep.head.dropout.hihg: unknown key of a range'),
        ('"head.dropout" = []', "0 sweep.head.dropout: expected 1 to 1000 values, received 0"),
        ("trials = 2", "sweep: names no key to try; expected an array of values"),
        ('sampler = "grid"\n"head.dropout" = { low = 0.0, high = 0.5 }', '1 sweep.head.dropout: has too many values'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(registry, lines, expected):
    assert any(expected in each for each in problems(registry, lines)), problems(registry, lines)


def test_values_become_overrides_that_say_the_same(registry):
    values = {"head": {"name": "linear", "dropout": 0.1}, "schedule.epochs": 2, "input.resize": 'p"ad', "seed": 1}
    assert overrides_of(values)[:2] == ['head={name = "linear", dropout = 0.1}', "schedule.epochs=2"]
    values["input.resize"] = "pad"
    recipe = parse_recipe(recipe_text(), registry, overrides_of(values))
    assert json.dumps(recipe.values["head"]["dropout"]) == "0.1"
    assert (recipe.seed, recipe.values["schedule"]["epochs"], recipe.input.resize) == (1, 2, "pad")


def test_a_grid_has_every_combination_once():
    space = {"a": Choices((1, 2)), "b": Range(low=0.0, high=0.5, step=0.25)}
    found = [combination(space, number) for number in range(6)]
    assert found[:4] == [{"a": 1, "b": 0.0}, {"a": 1, "b": 0.25}, {"a": 1, "b": 0.5}, {"a": 2, "b": 0.0}]
    assert len({json.dumps(each) for each in found}) == 6
