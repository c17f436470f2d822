"""Keep lines of C++ libraries from standard error, which no log level of theirs reaches."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_lines(pattern: str) -> Iterator[None]:
    """Hold back what is written to file descriptor 2, also by C++; then write it, without the lines that match.

    If the code raises an exception, all lines are written.

    Args:
        pattern: a regular expression that matches the start of a line to leave out.
    """
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        original = os.dup(2)
    except OSError:  # The process has no standard error.
        yield
        return
    hidden = re.compile(pattern.encode())
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden = re.compile(rb"(?!)")
            raise
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            file.seek(0)
            shown = b"".join(line for line in file.read().splitlines(keepends=True) if not hidden.match(line))
            if shown:
                os.write(2, shown)
