"""Look whether distributions offer entry points of a group, without importing importlib.metadata."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

_INSTALLED = (".dist-info", ".egg-info")


def offered_by_others(group: str, own: str) -> bool:
    """Return whether a distribution besides ``own`` may offer entry points of a group.

    ``importlib.metadata`` is certain, and takes as long as the rest of ``tlkit --help``. So this is certain only that
    there are none.

    Args:
        group: the group of entry points.
        own: the normalized name of the distribution that does not count.
    """
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder not in _pythons_own()):
        return True
    header = re.compile(rf"^\s*\[\s*{re.escape(group)}\s*\]", re.MULTILINE)
    return any(_offers(Path(entry or "."), header, own) for entry in dict.fromkeys(sys.path))


def _pythons_own() -> list[object]:
    return [finder for finder in sys.meta_path if getattr(finder, "__module__", "").startswith("_frozen_importlib")]


def _offers(folder: Path, header: re.Pattern[str], own: str) -> bool:
    """Return whether a distribution in a folder of ``sys.path`` offers such entry points, or can't be looked at."""
    if folder.suffix == ".egg":
        return True
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except NotADirectoryError:
        # Python's own library may be an archive on the path, and has no distributions.
        return not re.fullmatch(r"python\d+\.zip", folder.name)
    except OSError:
        return False
    for name in names:
        if not name.endswith(_INSTALLED) or re.sub(r"[-_.]+", "-", name.partition("-")[0]).lower() == own:
            continue
        try:
            text = (folder / name / "entry_points.txt").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if header.search(text):
            return True
    return False
