"""Run the command line in the process of the test."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

from tlkit.cli import main


@dataclass(frozen=True)
class Outcome:
    """The exit code of a command, and what it printed to stdout and stderr."""

    code: int
    out: str
    err: str


def tlkit_command(*arguments: object) -> Outcome:
    """Run ``tlkit ARGUMENTS``; exceptions that are bugs are not caught."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return Outcome(code, out.getvalue(), err.getvalue())
