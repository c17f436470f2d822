"""The console takes text as it is, and a stream that fails ends no work."""

from __future__ import annotations

import errno
import io
import sys

import pytest
from rich.table import Table
from rich.text import Text

from tlkit.system.terminal import Terminal

HOSTILE = "[red]a[/red] :smile: \x1b[2J\u202e\nError: forged"


class Full(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_message_is_text_whose_first_line_alone_begins_at_the_margin(capsys):
    Terminal().print(HOSTILE, style="yellow")
    assert capsys.readouterr().out == "[red]a[/red] :smile: \\x1b[2J\\u202e\n  Error: forged\n"


def test_the_cells_and_the_title_of_a_table_are_lines_of_text(capsys):
    table = Table("name", title=HOSTILE)
    table.add_row(HOSTILE)
    table.add_row(Text("b\x1b[1m"))
    console = Terminal(soft_wrap=False)
    console.width = 200
    console.print(table)
    shown = capsys.readouterr().out
    assert all(line == line.rstrip() for line in shown.splitlines())
    assert shown.count("[red]a[/red] :smile: \\x1b[2J\\u202e\\nError: forged") == 2
    assert "b\\x1b[1m" in shown
    assert "\x1b" not in shown


def test_a_stream_that_fails_is_told_once_and_nothing_more_is_printed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Full())
    console = Terminal()
    with pytest.warns(UserWarning, match="the output can't be written: No space left on device"):
        console.print("a")
    console.print("b")
    assert console.quiet
