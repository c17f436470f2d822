"""The folder in which the workers of a phase compute features."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tlkit.system.cache import features_folder, limit
from tlkit.system.text import size_text
from tlkit.train.team import Team


def common_folder(size: int, own: Path, team: Team, say: Callable[[str], None]) -> Path:
    """Return the folder that later runs share, or the phase's own where that one can't be used by every worker.

    Args:
        size: the bytes that the features take.
        own: a folder in the run folder, which every worker has.
        team: the workers.
        say: shows why the folder is the phase's own.
    """
    folder, allowed = features_folder(), limit()
    reason = f"they take {size_text(size)}, but tlkit cache limit allows {size_text(allowed)}"
    usable = size <= allowed
    if usable:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            usable, reason = False, f"{error.filename or folder}: {error.strerror or error}"
    if team.size > 1 and not _is_common(folder, team, usable=usable):
        usable, reason = False, f"{folder} is not the same folder for all workers"
    if not usable:
        say(f"  features are not cached for later runs: {reason}")
    return folder if usable else own


def _is_common(folder: Path, team: Team, *, usable: bool) -> bool:
    """Return whether every worker can use a folder and sees there what the chief has just written."""
    mark = folder / f".team-{team.told(f'{os.getpid()}-{os.urandom(8).hex()}')}"
    if team.chief:
        with suppress(OSError):
            mark.write_bytes(b"")
    try:
        team.barrier("the mark in the folder of features")
        return not team.any(not usable or not mark.exists())
    finally:
        if team.chief:
            with suppress(OSError):
                mark.unlink(missing_ok=True)
