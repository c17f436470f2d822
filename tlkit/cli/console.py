"""What the verbs print: messages, tables, progress bars; and the files that they write.

Names of files, classes and plugins may be somebody else's. Everything here shows their control characters instead of
sending them to the terminal, so verbs print through nothing else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from tlkit.system.remote_names import named
from tlkit.system.visible import visible, visible_message

if TYPE_CHECKING:
    from tlkit.jobs.progress import StageProgress
    from tlkit.system.terminal import Terminal


class Bold(str):
    """A part of a line that ``say`` prints in bold."""

    __slots__ = ()


def say(*parts: str, err: bool = False, color: str | None = None) -> None:
    """Print a message, whose first line alone begins at the margin.

    Args:
        parts: the parts of the message; those that are ``Bold`` are printed in bold.
        err: whether to print to standard error.
        color: the colour of the text on a terminal.
    """
    shown = [(visible_message(named(each)), isinstance(each, Bold)) for each in parts]
    text = "".join(click.style(each, bold=bold or None, fg=color) if bold or color else each for each, bold in shown)
    click.echo(text, file=sys.stderr if err else sys.stdout)


def say_text(text: str, *, err: bool = False) -> None:
    """Print a text of several lines in which each newline is tlkit's own, such as a recipe."""
    click.echo(visible(text).removesuffix("\n"), file=sys.stderr if err else sys.stdout)


def say_json(value: Any) -> None:
    """Print a value as JSON in ASCII, which every terminal, file and locale takes."""
    click.echo(json.dumps(value, indent=2), file=sys.stdout)


def messages_console() -> Terminal:
    """Return the console for messages, which go to standard error."""
    from tlkit.system.terminal import Terminal

    return Terminal(stderr=True)


def tables_console(width: int | None = None) -> Terminal:
    """Return the console for tables, which go to standard output.

    Args:
        width: width in characters if the output goes to a file or a pipe; None for rich's default.
    """
    from tlkit.system.terminal import Terminal

    console = Terminal(soft_wrap=False)
    if width is not None and not console.is_terminal:
        console.width = width
    return console


@contextmanager
def progress_bars(
    console: Terminal, first: str = "loading the model", *, counted: str = " images"
) -> Iterator[StageProgress]:
    """Show how far a job is: a bar on a terminal; elsewhere a line when a stage begins, and when it takes long.

    Args:
        console: where to show it.
        first: what is done before the job names its first stage.
        counted: what stands after the number of what a stage has to do.
    """
    from tlkit.system.progress import Reporter

    current = first
    with Reporter(console) as reporter, reporter.stages(first) as change:

        def show(stage: str, done: int, total: int) -> None:
            nonlocal current
            if stage != current and total and not console.is_terminal:
                reporter.say(f"{stage}: {total:,}{counted}")
            current = stage
            change(stage, done, total)

        yield show


@contextmanager
def saying(doing: str) -> Iterator[None]:
    """Say on standard error what is being done within the context: on a terminal, and elsewhere if it takes long."""
    from tlkit.system.progress import Reporter

    with Reporter(messages_console()) as reporter, reporter.stage(doing):
        yield
