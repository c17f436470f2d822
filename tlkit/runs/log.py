"""``events.log`` of a run folder: what the run did, and when."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tlkit.runs.folder import RunFolder
from tlkit.runs.secrets import without_logins
from tlkit.system.visible import visible_message


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Ignore the error: on a full disk, the next file that the run needs to write ends it with a message."""


class _Log(logging.Logger):
    """A logger that other code can't switch off: neither ``logging.disable`` nor a configuration of its own does."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        """Return whether messages of a level are written."""
        return level >= self.level


class _WithoutLogins(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record; an error may quote an address with a password, or names with newlines."""
        return visible_message(without_logins(super().format(record)))


@contextmanager
def event_log(folder: RunFolder) -> Iterator[logging.Logger]:
    """Open ``events.log`` of a run folder, and append to it with times in UTC.

    Raises:
        OSError: the file can't be opened.
    """
    log = _Log(f"tlkit.run.{folder.path.resolve()}", logging.INFO)
    handler = _LogFile(folder.log, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_WithoutLogins("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    log.addHandler(handler)
    try:
        yield log
    finally:
        log.removeHandler(handler)
        handler.close()
