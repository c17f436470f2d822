"""Fork a process per tlkit command from one that has imported everything: a command then takes a second, not ten.

Run as a script, it reads requests from standard input and answers on standard output, a line of JSON each. A command
can be killed by SIGKILL, or stopped by SIGSTOP, before its n-th change of the file system below a folder: the same
request ends at the same place each time, and nothing is cleaned up.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.utime", "sqlite3.connect"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class CommandServer:
    """The server's other end.

    Args:
        environment: variables for all commands.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer, how the command ended: ``exit``, ``signal`` or ``stopped``.

        Args:
            request: ``arguments``, ``environment``, ``output`` (a file), ``root``, and ``signal`` with ``at``, the
                number of the change before which the process gets it, or ``after``, in seconds; ``file_size``, the
                largest size of a file in bytes. Or ``proceed`` or ``kill`` with the number of a stopped process.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the command server has ended"
        return dict(json.loads(answer))

    def close(self) -> None:
        """End the server."""
        self._process.communicate(timeout=60)


def _watch_changes(root: str, at: int, number: int) -> None:
    """Send this process a signal before its ``at``-th change of the file system below ``root``."""
    count = 0

    def changes(event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(path, str | bytes | os.PathLike) or not flags & _WRITES:
                return False
        elif event not in _CHANGES or isinstance(arguments[0], int):
            return False
        return os.path.abspath(os.fsdecode(arguments[0])).startswith(root)  # noqa: PTH100

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if changes(event, arguments):
            count += 1
            if count == at:
                os.kill(os.getpid(), number)

    sys.addaudithook(hook)


def _become_command(request: dict[str, Any], modules: int) -> None:
    """Run a command in this process, which has just been forked, and end it."""
    code: Any = 70
    try:
        output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(request["environment"])
        os.chdir(request["root"])
        if "file_size" in request:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"], resource.RLIM_INFINITY))
        if "at" in request:
            _watch_changes(request["root"], request["at"], request["signal"])
        elif "after" in request:
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), request["signal"]))
            signal.setitimer(signal.ITIMER_REAL, request["after"])
        from tlkit.cli import main

        main(request["arguments"])
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        with suppress(OSError):
            os.write(modules, "\n".join(sys.modules).encode())
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _wait(process: int) -> dict[str, Any]:
    _, status = os.waitpid(process, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return {"process": process, "stopped": True}
    if os.WIFSIGNALED(status):
        return {"process": process, "signal": os.WTERMSIG(status)}
    return {"process": process, "exit": os.WEXITSTATUS(status)}


def _import_all(names: str) -> None:
    """Import what the command imported, so that the next one finds it."""
    for name in names.split("\n"):
        if name.startswith(
            ("tlkit", "keras", "tensorflow", "sklearn", "matplotlib", "PIL", "h5py", "rich", "pydantic")
        ):
            with suppress(Exception):
                importlib.import_module(name)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import keras  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        if "arguments" in request:
            # A file and not a pipe, which could fill.
            memory = os.memfd_create("modules")
            process = os.fork()
            if not process:
                _become_command(request, memory)
            answer = _wait(process)
            _import_all(os.pread(memory, 10_000_000, 0).decode())
            os.close(memory)
        else:
            process = request.get("proceed") or request["kill"]
            os.kill(process, signal.SIGCONT if "proceed" in request else signal.SIGKILL)
            answer = _wait(process)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))
    _serve()
