"""How many workers trained a run."""

from __future__ import annotations

from pathlib import Path

from tlkit.errors import RunError
from tlkit.runs.folder import RunFolder


def workers_of(run_folder: Path) -> int:
    """Return how many workers trained a run last; 1 where that is not known, or the folder is none of a run."""
    folder = RunFolder(run_folder)
    if not folder.environment.is_file():
        return 1
    try:
        environment = folder.read_json(folder.environment)
    except RunError:  # resuming says what is wrong
        return 1
    count = environment.get("workers", 1) if isinstance(environment, dict) else 1
    return count if isinstance(count, int) and count > 0 else 1
