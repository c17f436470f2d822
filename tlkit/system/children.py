"""Start processes of this Python: the one place that does.

They import from the same folders as this process, but never from the current folder, which may be a data set that
someone else made. Their standard input is a pipe, whose end tells them that this process has ended, however it ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any

from tlkit.system.import_path import import_path


def start_python(
    arguments: Sequence[str],
    stdout: int | IO[Any],
    stderr: int | IO[Any] | None = None,
    environment: Mapping[str, str | None] | None = None,
) -> subprocess.Popen[bytes]:
    """Start an interpreter in a process group of its own, so that Ctrl-C in the terminal does not reach it.

    The process's standard input is a pipe that this process holds open.

    Args:
        arguments: what follows the interpreter's own options, such as ``["-m", "tlkit", "run"]``.
        stdout: where its standard output goes, as for ``subprocess.Popen``.
        stderr: where its standard error goes.
        environment: variables that it gets besides those of this process; None for one that it does not get.

    Raises:
        OSError: it can't be started.
    """
    variables = dict(os.environ)
    if sys.flags.ignore_environment:
        variables = {name: value for name, value in variables.items() if not name.startswith("PYTHON")}
    variables |= {"PYTHONPATH": os.pathsep.join(import_path()), "PYTHONSAFEPATH": "1"}
    for name, value in (environment or {}).items():
        variables.pop(name, None)
        if value is not None:
            variables[name] = value
    options = ["-P", *(["-s"] if sys.flags.no_user_site else [])]
    return subprocess.Popen(
        [sys.executable, *options, *arguments],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        env=variables,
        process_group=0,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # on Windows
    )
