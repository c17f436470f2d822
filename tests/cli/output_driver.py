"""Run commands with an output that fails, and write what came of each to a file of JSON.

Arguments: ``full``, ``pipe``, ``errors`` (standard error is full), ``gone`` (the current folder is removed) or
``plain``; a JSON list of commands; the file.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from pathlib import Path

KIND, COMMANDS = sys.argv[1], json.loads(sys.argv[2])


def run(arguments: list[str]) -> tuple[object, str]:
    """Return the exit code of a command, and what it wrote to the stream that does not fail."""
    from tlkit.cli import main

    with tempfile.TemporaryFile() as caught:
        good, bad = (1, 2) if KIND == "errors" else (2, 1)
        os.dup2(caught.fileno(), good)
        if KIND in ("full", "errors"):
            broken = os.open("/dev/full", os.O_WRONLY)
        elif KIND == "pipe":
            reader, broken = os.pipe()
            os.close(reader)
        else:
            broken = os.dup(caught.fileno())
        os.dup2(broken, bad)
        os.close(broken)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(open(number, "wb", closefd=False), encoding=sys.__stdout__.encoding)  # noqa: SIM115
            for number in (1, 2)
        )
        code: object = "no exit"
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
        except BaseException as error:
            code = repr(error)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        caught.seek(0)
        return code, caught.read().decode("utf-8", "replace")


if KIND == "gone":
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    Path(folder).rmdir()
results = [run(each) for each in COMMANDS]
Path(sys.argv[3]).write_text(json.dumps(results), encoding="utf-8")
