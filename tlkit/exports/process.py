"""The gate's process, seen from tlkit's own: it is asked for answers, and never waited for without an end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tlkit.contracts import Exporter
from tlkit.errors import PluginError
from tlkit.exports.messages import receive, send
from tlkit.exports.outputs import RuntimeFailedError
from tlkit.registry import Registry
from tlkit.registry.discovery import exact_name
from tlkit.system.children import start_python
from tlkit.system.visible import visible_line

PATIENCE = 300.0
"""Seconds to wait for an answer; the slowest of networks takes seconds."""
_LINES = 3

T = TypeVar("T")


class RuntimeProcess:
    """A process that has opened an exported file.

    Attributes:
        precision: the number format in which the runtime multiplies.
        runtime: its name and version.
        metadata: the texts inside the file.
    """

    def __init__(self, process: subprocess.Popen[bytes], errors: Path, request: Mapping[str, Any]) -> None:
        self._process, self._errors = process, errors
        opened, _ = self._ask(lambda: self._exchange(request))
        if not all(isinstance(opened.get(each), str) for each in ("precision", "runtime")):
            raise RuntimeFailedError("its process answered something else than expected")
        self.precision: str = opened["precision"]
        self.runtime: str = opened["runtime"]
        self.metadata: dict[str, str] = opened["metadata"]

    def run(self, images: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
        """Return what the file says of images, uint8 (n, H, W, 3), and the seconds of CPU time that it took.

        Raises:
            RuntimeFailedError: it does not answer.
        """

        def ask() -> tuple[dict[str, np.ndarray], float]:
            answer, arrays = self._exchange({}, images)
            return dict(zip(answer["outputs"], arrays, strict=True)), float(answer["seconds"])

        return self._ask(ask)

    def _exchange(self, message: Mapping[str, Any], *arrays: np.ndarray) -> tuple[dict[str, Any], list[np.ndarray]]:
        given, answers = self._process.stdin, self._process.stdout
        assert given is not None
        assert answers is not None
        send(given, message, *arrays)
        answer, found = receive(answers)
        if "error" in answer:
            raise RuntimeFailedError(str(answer["error"]))
        return answer, found

    def _ask(self, ask: Callable[[], T]) -> T:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            _kill(self._process)

        timer = threading.Timer(PATIENCE, give_up)
        timer.daemon = True
        timer.start()
        try:
            return ask()
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise RuntimeFailedError(self._why(late=late.is_set())) from error
        finally:
            timer.cancel()

    def _why(self, *, late: bool) -> str:
        if late:
            return f"its process did not answer within {PATIENCE:g} seconds and was ended{self._said()}"
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.poll()
        if code is None:
            return "its process answered something else than expected"
        if code < 0:
            with suppress(ValueError):
                return f"its process was ended by {signal.Signals(-code).name}{self._said()}"
        return f"its process ended with the exit code {code}{self._said()}"

    def _said(self) -> str:
        """Return the last lines that the process wrote to standard error."""
        with suppress(OSError), self._errors.open("rb") as file:
            file.seek(max(0, self._errors.stat().st_size - 4000))
            lines = [each.strip() for each in file.read().decode("utf-8", "replace").splitlines() if each.strip()]
            if lines:
                return ": " + " / ".join(visible_line(each)[:300] for each in lines[-_LINES:])
        return ""


@contextmanager
def runtime_process(
    registry: Registry, exporter: Exporter, path: Path, *, threads: int, scratch: Path
) -> Iterator[RuntimeProcess]:
    """Open an exported file in a process of its own, which ends with the context.

    Only the plugin that offers the format is loaded there.

    Args:
        registry: the plugins.
        exporter: the format.
        path: the file.
        threads: the threads that the runtime may use.
        scratch: a folder for what the process writes to standard error.

    Raises:
        RuntimeFailedError: the runtime can't run the file.
        PluginError: the format is offered by an object of this process, which no other process can load.
    """
    asked = {"exporter": exporter.name, "path": str(path.absolute()), "threads": threads}
    request = {**asked, **_plugin(registry, exporter)}
    errors = scratch / "stderr.txt"
    with errors.open("wb") as said:
        process = start_python(["-m", "tlkit.exports.worker"], subprocess.PIPE, said)
    try:
        yield RuntimeProcess(process, errors, request)
    finally:
        _kill(process)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        process.wait()


def _plugin(registry: Registry, exporter: Exporter) -> dict[str, str | None]:
    _, source = registry.find_with_source(Exporter, exporter.name)
    if source.digest is not None:
        return {"plugin": str(Path(source.plugin).absolute()), "digest": source.digest, "installed": ""}
    if source.distribution is None:
        raise PluginError(
            f"{source.title}: is a plugin that exists only in this process, and the exported file is run in another; "
            "write it to a file, and give the file"
        )
    return {"plugin": None, "digest": None, "installed": exact_name(source)}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and those that it started."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
