"""What the tests of the cluster have its workers do; workers import it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import tlkit


def squared(part: int) -> int:
    """Return a square; the earlier parts take longer."""
    time.sleep(0.3 / (1 + part))
    return part * part


def refused(part: int) -> int:
    """Refuse the part 2 as tlkit refuses data."""
    if part == 2:
        raise tlkit.DataError("the file 2.png: is damaged")
    return part


def wrong(part: int) -> int:
    """Have a bug."""
    return part // 0


def killed_once(file: Path) -> str:
    """Die by SIGKILL if a file is not there, and make the file."""
    if not file.exists():
        file.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return file.name


def killed(_part: int) -> None:
    """Die by SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)


def surroundings(_part: int) -> dict[str, object]:
    """Return where a worker imports from, and what it found in the environment."""
    import sys

    return {"tlkit": tlkit.__file__, "path": sys.path, "threads": os.environ.get("OMP_NUM_THREADS")}
