"""Standard output and standard error of the command line: what can't be written is told once, at the end."""

from __future__ import annotations

import errno
import io
import os
import re
import select
import sys
from pathlib import Path
from typing import Any

from tlkit.errors import DataError
from tlkit.system.visible import visible

FAILED = 74
"""Exit code of a command whose output could not be written, as of one that a full disk ended."""
CLOSED_PIPE = 141
"""Exit code of a command whose output was closed by its reader, as in ``tlkit plugins | head``."""
_STEERING = re.compile(r"(\x1b\[[0-9;?]*[A-HJKSTfhlm]|\x1b\]8;[^\x1b\x07]*\x1b\\|[\r\t])")
"""What rich and click write to colour text and to move in it."""


class Descriptor(io.RawIOBase):
    """A file descriptor to write to; what it does not take is dropped, and the first error kept.

    Training goes on while nobody can read about it, and Python has nothing left to complain about at its exit.

    Args:
        number: the descriptor.

    Attributes:
        number: the descriptor; another one while what else is written to it is held back.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.number

    def isatty(self) -> bool:
        return os.isatty(self.number)

    def write(self, data: Any) -> int:
        size = len(data)
        if self.error is not None:
            return size
        try:
            return os.write(self.number, data)
        except BlockingIOError:
            select.select([], [self.number], [])
            return 0
        except OSError as error:
            self.error = error
            return size


class _Text(io.TextIOWrapper):
    """Text for a terminal or a file; the last guard against control characters that no verb wrote on purpose."""

    def write(self, text: str) -> int:
        parts = _STEERING.split(text)
        super().write("".join(part if number % 2 else visible(part) for number, part in enumerate(parts)))
        return len(text)


class Output:
    """Standard output and standard error of this process, guarded.

    Closed streams, as after ``>&-``, are replaced by the null device: the next file that is opened would otherwise take
    their number, and get what TensorFlow prints.
    """

    def __init__(self) -> None:
        self._descriptors: dict[str, Descriptor] = {}
        while (number := os.open(os.devnull, os.O_RDWR)) < 3:
            os.set_inheritable(number, True)
        os.close(number)
        if sys.stdin is None:
            sys.stdin = open(0, closefd=False)  # noqa: SIM115
        for number, name in ((1, "stdout"), (2, "stderr")):
            if _belongs_to(getattr(sys, name), number):
                self._guard(name, number)

    def _guard(self, name: str, number: int) -> None:
        before = getattr(sys, name)
        if before is not None:
            before.flush()
        descriptor = self._descriptors[name] = Descriptor(number)
        guarded = _Text(
            io.BufferedWriter(descriptor),
            encoding=getattr(before, "encoding", "utf-8"),
            errors="backslashreplace",
            line_buffering=name == "stderr" or descriptor.isatty(),
            write_through=getattr(before, "write_through", False),
        )
        setattr(sys, name, guarded)

    def exit_code(self, code: int) -> int:
        """Write out what is buffered, say which stream failed, and return the exit code of the process.

        Args:
            code: the exit code so far.
        """
        for name in self._descriptors:
            getattr(sys, name).flush()
        failed = {name: each.error for name, each in self._descriptors.items() if each.error is not None}
        if "stdout" in failed and failed["stdout"].errno != errno.EPIPE:
            sys.stderr.write(
                f"Error: the standard output can't be written: {failed['stdout'].strerror}. "
                "What was printed is incomplete; the command went on without it\n"
            )
            sys.stderr.flush()
        if code or not failed:
            return code
        return CLOSED_PIPE if all(error.errno == errno.EPIPE for error in failed.values()) else FAILED


def descriptor_of(stream: Any) -> Descriptor | None:
    """Return the descriptor that a guarded stream writes to, also behind a live display; None for another stream."""
    raw = getattr(getattr(getattr(stream, "rich_proxied_file", stream), "buffer", None), "raw", None)
    return raw if isinstance(raw, Descriptor) else None


def check_working_folder() -> None:
    """Check that the current folder exists; nearly every command reads or writes below it.

    Raises:
        DataError: it was removed, or can't be found for another reason.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise DataError(
            f"the current folder can't be used: {error.strerror}. It was probably removed; change to another folder"
        ) from error


def _belongs_to(stream: Any, number: int) -> bool:
    """Return whether a stream is Python's own for a descriptor, and not the console of Windows or a test's."""
    if stream is None:
        return True
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # unbuffered, as with PYTHONUNBUFFERED, there is no layer between
    return isinstance(raw, io.FileIO) and raw.fileno() == number
