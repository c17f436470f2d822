"""Text for a terminal: nothing in it is obeyed or hidden, and what people write stays as it is."""

from __future__ import annotations

import ast
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tlkit
from tlkit.system.visible import MAX_LINE, visible, visible_line, visible_message

ORDINARY = [
    "cats/Füße 猫.jpg",
    "שלום עולם",
    "مرحبا بالعالم",
    "می\u200cخواهم",  # Persian needs the non-joiner
    "क्\u200dष",  # Devanagari needs the joiner
    "👩\u200d👩\u200d👧 👍🏽 ❤\ufe0f 1\ufe0f\u20e3",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England
    "a [red]b[/red] :smile: \\x1b C:\\new 100 % {x}",
    "e\u0301",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text):
    assert visible(text) == visible_line(text) == visible_message(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\x9b31mb", r"a\x9b31mb"),
        ("a\x1b]8;;http://x\x07b", r"a\x1b]8;;http://x\x07b"),
        ("a\rb\tc\x00d\x7f\x85", r"a\rb\tc\x00d\x7f\x85"),
        ("gpj.\u202eevil", r"gpj.\u202eevil"),
        ("\u2066x\u2069\u200e\u200f", r"\u2066x\u2069\u200e\u200f"),
        ("ca\u200bt ca\u200dt \u200c\ufeff\u00ad", r"ca\u200bt ca\u200dt \u200c\ufeff\xad"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\udc80", r"\udc80"),
        ("a\U000e0041b", r"a\U000e0041b"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_written_out(text, shown):
    assert visible(text) == shown


def test_a_newline_is_written_out_in_a_line_and_indented_in_a_message():
    assert visible_line("a\nError: b") == r"a\nError: b"
    assert visible_message("a\nError: b\n  c\n\nd") == "a\n  Error: b\n  c\n\n  d"


def test_a_message_loses_the_middle_of_an_endless_line():
    shown = visible_message("x" * 1_000_000 + "\nend")
    assert len(shown) < MAX_LINE + 100
    assert "990000 more characters" in shown
    assert shown.endswith("\n  end")


def test_nothing_prints_past_the_functions_that_show_hidden_characters():
    package = Path(tlkit.__file__).parent
    allowed = {package / "cli/console.py", package / "system/terminal.py"}
    for file in package.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for call in (each for each in ast.walk(tree) if isinstance(each, ast.Call)):
            name = ast.unparse(call.func)
            own_help = name == "click.echo" and ast.unparse(call.args[0]) == "ctx.get_help()"
            assert file in allowed or own_help or name not in ("print", "click.echo", "click.secho", "Console"), file


@given(st.text())
def test_no_text_steers_the_terminal_or_begins_a_line(text):
    shown = visible_message(text)
    for each in shown:
        assert each == "\n" or unicodedata.category(each) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(each) not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    assert all(line[:1] in ("", " ") for line in shown.split("\n")[1:])
    assert visible_message(shown) == shown
