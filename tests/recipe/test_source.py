"""The lines of keys in every layout that TOML allows."""

from __future__ import annotations

import tomllib

import pytest

from tlkit.recipe import catalog
from tlkit.recipe.source import key_lines, syntax_error_line

TRICKY = '''\
# A comment with = and [brackets].

name = "x"   # another

[train]
early_stop = { patience = 3, min_delta = 0.1 }
text = """
[head]
dropout = 1
"""
metrics = [
    "a",  # [c]

    "b",
]

# A comment above a table.
[schedule.curve]
name = "step"
at = [[1, 2],
      [3]]

[[stages]]
rate = 1

[[stages]]
rate = 2
[data]
path.to.it = 'c:\\[x]'
"quoted.key" = 1
x.y = 2
x.z = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 3),
        (("train",), 5),
        (("train", "early_stop"), 6),
        (("train", "early_stop", "min_delta"), 6),
        (("train", "text"), 7),
        (("train", "metrics"), 11),
        (("train", "metrics", 1), 11),
        (("schedule",), 18),
        (("schedule", "curve"), 18),
        (("schedule", "curve", "name"), 19),
        (("schedule", "curve", "at"), 20),
        (("schedule", "curve", "at", 1, 0), 20),
        (("stages",), 23),
        (("stages", 0, "rate"), 24),
        (("stages", 1), 26),
        (("stages", 1, "rate"), 27),
        (("data",), 28),
        (("data", "path"), 29),
        (("data", "path", "to", "it"), 29),
        (("data", "quoted.key"), 30),
        (("data", "x"), 31),
        (("data", "x", "y"), 31),
        (("data", "x", "z"), 32),
    ],
)
def test_each_key_has_the_line_on_which_it_begins(path, line):
    assert key_lines(TRICKY)[path] == line


def test_tables_inside_a_multi_line_string_are_ignored():
    assert ("head",) not in key_lines(TRICKY)


def test_every_key_has_a_line_and_nothing_else_has():
    def paths(value, prefix=()):
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return {each for key, child in items for each in ({(*prefix, key)} | paths(child, (*prefix, key)))}

    assert set(key_lines(TRICKY)) == paths(tomllib.loads(TRICKY))


def test_windows_line_ends_and_a_missing_last_line_end_are_counted_correctly():
    assert key_lines('a = 1\r\n\r\n[b]\r\nc = """\r\n\r\n"""\r\nd = 2') == {
        ("a",): 1,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "d"): 7,
    }


def test_characters_that_only_python_treats_as_line_ends_are_not_counted():
    assert key_lines('a = "x\u2028y\x85z"\nb = 1\n') == {("a",): 1, ("b",): 2}


def test_an_empty_document_has_no_keys():
    assert key_lines("") == {}
    assert key_lines("# only a comment") == {}


def test_keys_before_a_syntax_error_keep_their_lines():
    assert key_lines("a = 1\nb = \nc = 3\n") == {("a",): 1}


@pytest.mark.parametrize("recipe", catalog.shipped(), ids=lambda recipe: recipe.name)
def test_each_line_of_a_shipped_recipe_contains_its_key(recipe):
    lines = recipe.text.splitlines()
    for path, line in key_lines(recipe.text).items():
        if isinstance(path[-1], str):
            assert path[-1] in lines[line - 1]


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb = \nc = 3\n", 2), ("a = 1\n[b\n", 2), ('a = 1\nb = """\n\n', 3), ("a = 1\na = 2", 2)]
)
def test_the_line_of_a_syntax_error(text, line):
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    assert syntax_error_line(caught.value, text) == line
