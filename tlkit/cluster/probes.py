"""What a node of a cluster is asked by ``tlkit cluster check``.

This module is sent to the nodes as it is, since what they have of tlkit may be another version, or nothing. So it
imports only Python's standard library, and every question returns plain values.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert", "ray")
"""Packages whose versions should be the same everywhere."""
_CONNECT_SECONDS = 3.0
_TOKEN = ".tlkit-check-"
_LOGGED = re.compile(r"[IW]\d{4} |WARNING")
"""The beginning of lines that TensorFlow logs, and that are no errors."""


def versions() -> dict[str, str]:
    """Return package → version, ``Python`` among them; an empty text if it is not installed."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return {**found, **_own()}


def _own() -> dict[str, str]:
    """Return the version of tlkit, and a digest of its code: copies of one version may differ while it is developed."""
    spec = importlib.util.find_spec("tlkit")
    if spec is None or spec.origin is None:
        return {"tlkit": "", "code of tlkit": ""}
    folder = Path(spec.origin).parent
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py"), key=lambda each: each.relative_to(folder).parts):
        with suppress(OSError):
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    lines = Path(spec.origin).read_text("utf-8", "replace").splitlines()
    version = next((line.split('"')[1] for line in lines if line.startswith("__version__") and '"' in line), "unknown")
    return {"tlkit": version, "code of tlkit": digest.hexdigest()[:12]}


class Prober:
    """One process on one node, which answers questions. Its methods return plain values, also for errors of disks."""

    def __init__(self) -> None:
        self._listening: socket.socket | None = None
        self._locked: Any = None
        self._workers: list[subprocess.Popen[str]] = []

    def about(self, cache: str) -> dict[str, Any]:
        """Return the versions, processors and memory of the node, and the room of its disks.

        Args:
            cache: the cache folder of the driver, or the user's own where tlkit is asked for it.
        """
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return {
            "host": socket.gethostname(),
            "versions": versions(),
            "processors": processors,
            "memory": _memory("MemTotal"),
            "free_memory": _memory("MemAvailable"),
            "free_tmp": _free(os.environ.get("TMPDIR") or "/tmp"),
            "free_cache": _free(cache),
        }

    def now(self) -> float:
        """Return the time of the node's clock, in seconds since 1970."""
        return time.time()

    def free(self, folder: str) -> tuple[int, str]:
        """Return the free bytes on the disk of a folder, and why it can't be used; an empty text if it can."""
        if not Path(folder).is_dir():
            return 0, "there is no such folder"
        return _free(folder), ""

    def write_token(self, folder: str, name: str, content: str) -> str:
        """Write a file, which another node looks for; return why that failed, or an empty text.

        It is written under another name, and renamed, as tlkit writes the files of a run.
        """
        file = Path(folder) / f"{_TOKEN}{name}"
        part = file.with_name(f"{file.name}.part")
        try:
            part.write_text(content * 100, "utf-8")
            part.replace(file)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            return _reason(error)
        return ""

    def wait_for_token(self, folder: str, name: str, content: str, seconds: float) -> tuple[float, str]:
        """Wait for a file that another node writes.

        Args:
            folder: the folder.
            name: the name of the token.
            content: what must be in it.
            seconds: how long to wait.

        Returns:
            how long it took in seconds, and why it is not there as it should be; an empty text if it is.
        """
        file, begin, seen = Path(folder) / f"{_TOKEN}{name}", time.monotonic(), "it is not there"
        while True:
            try:
                text = file.read_text("utf-8")
                if text == content * 100:
                    return time.monotonic() - begin, ""
                # A rename shows the whole file or none.
                seen = "it has other content" if len(text) == len(content) * 100 else "only a part of it is there"
            except FileNotFoundError:
                seen = "it is not there"
            except OSError as error:
                seen = _reason(error)
            if time.monotonic() - begin > seconds:
                return seconds, seen
            time.sleep(0.05)

    def remove_token(self, folder: str, name: str) -> None:
        """Remove a token and its lock."""
        for suffix in ("", ".lock"):
            with suppress(OSError):
                (Path(folder) / f"{_TOKEN}{name}{suffix}").unlink()

    def lock(self, folder: str, name: str) -> str:
        """Try to lock a file as tlkit locks a run folder; return ``locked``, ``busy``, or why it can't be."""
        import fcntl

        try:
            file = (Path(folder) / f"{_TOKEN}{name}.lock").open("a")  # it stays open until it is unlocked
        except OSError as error:
            return _reason(error)
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            return "busy" if error.errno in (errno.EAGAIN, errno.EACCES) else _reason(error)
        self._locked = file
        return "locked"

    def unlock(self) -> None:
        """Free the lock."""
        if self._locked is not None:
            self._locked.close()
            self._locked = None

    def listen(self, host: str) -> int:
        """Accept connections on a free port of an address of this node, and return the port; 0 if that fails."""
        listening = socket.socket()
        try:
            listening.bind((host, 0))
        except OSError:
            listening.close()
            return 0
        listening.listen()
        self._listening = listening
        threading.Thread(target=_answer, args=(listening,), daemon=True).start()
        return int(listening.getsockname()[1])

    def connect(self, host: str, port: int) -> str:
        """Connect to a port of another node; return why that failed, or an empty text."""
        try:
            with socket.create_connection((host, port), _CONNECT_SECONDS) as connection:
                connection.settimeout(_CONNECT_SECONDS)
                return "" if connection.recv(2) == b"ok" else "something else answered"
        except OSError as error:
            return "no answer: a firewall?" if isinstance(error, TimeoutError) else _reason(error)

    def free_port(self, host: str) -> int:
        """Return a port of an address of this node that nothing uses now; 0 if the address is not the node's."""
        with socket.socket() as probe:
            try:
                probe.bind((host, 0))
            except OSError:
                return 0
            return int(probe.getsockname()[1])

    def begin_reduce(self, code: str, count: int) -> None:
        """Start the workers of an all-reduce, which import TensorFlow, and then wait for their configuration.

        Args:
            code: the program of a worker, which prints a line at each stage that it reaches.
            count: how many workers this node has.
        """
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "no_proxy": "*"}
        self._workers = [
            subprocess.Popen(
                [sys.executable, "-c", code],
                env={**os.environ, **quiet},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            for _ in range(count)
        ]

    def reduce(self, number: int, config: str, seconds: float) -> dict[str, Any]:
        """Have a worker take part in the sum.

        Args:
            number: which of the workers of this node.
            config: its ``TF_CONFIG``, in one line.
            seconds: how long it may take.

        Returns:
            the lines that it printed, the end of its errors, and whether it was stopped: ``lines``, ``errors``,
            ``late``.
        """
        process, late = self._workers[number], False
        try:
            out, errors = process.communicate(f"{config}\n", timeout=seconds)
        except subprocess.TimeoutExpired:
            late = True
            _kill(process)
            out, errors = process.communicate()
        said = [line.strip() for line in errors.splitlines() if line.strip() and not _LOGGED.match(line)]
        return {"lines": out.split("\n"), "errors": said[-1][:300] if said else "", "late": late}

    def end(self) -> None:
        """End the workers."""
        for each in self._workers:
            if each.poll() is None:
                _kill(each)
                each.communicate()


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _answer(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"ok")
        except OSError:
            return


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _free(folder: str) -> int:
    """Return the free bytes on the disk of a folder, or of the nearest one above it that exists."""
    path = Path(folder)
    nearest = next((each for each in (path, *path.parents) if each.is_dir()), Path("/"))
    return shutil.disk_usage(nearest).free


def _memory(name: str) -> int:
    """Return a line of Linux's ``/proc/meminfo`` in bytes; 0 where there is none."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0
