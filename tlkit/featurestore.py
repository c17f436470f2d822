"""Where features of frozen backbones are kept for later runs, and how the least recently used make room."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import DataError

ABOUT = "about.txt"


@dataclass(frozen=True)
class Kept:
    """Features of one set of images.

    Args:
        folder: of their shards.
        about: what they are of.
        size: in bytes.
        used: when they were last used, seconds since 1970.
    """

    folder: Path
    about: str
    size: int
    used: float


def features_folder() -> Path:
    """``$TLKIT_CACHE/features``, by default in the user's cache folder."""
    from platformdirs import user_cache_path

    root = os.environ.get("TLKIT_CACHE")
    return (Path(root) if root else user_cache_path("tlkit", appauthor=False)) / "features"


def kept_features() -> list[Kept]:
    """All that are kept, the least recently used first."""
    root = features_folder()
    found = []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.is_dir() and not folder.name.startswith("."):
            files = [file for file in folder.iterdir() if file.is_file()]
            size = sum(file.stat().st_size for file in files)
            about = folder / ABOUT
            text = about.read_text(encoding="utf-8").strip() if about.is_file() else "unfinished"
            found.append(Kept(folder, text, size, folder.stat().st_mtime))
    return sorted(found, key=lambda each: each.used)


def make_room(size: int, budget: float) -> None:
    """Remove the least recently used features until ``size`` more bytes are within the budget."""
    kept = kept_features()
    total = sum(each.size for each in kept)
    for each in kept:
        if total + size <= budget:
            return
        shutil.rmtree(each.folder, ignore_errors=True)
        total -= each.size


def clear() -> tuple[int, int]:
    """Remove all that are kept.

    Returns:
        how many sets, and how many bytes.

    Raises:
        DataError: a folder can't be removed.
    """
    kept = kept_features()
    for each in kept:
        try:
            shutil.rmtree(each.folder)
        except OSError as error:
            raise DataError(f"{each.folder}: can't be removed: {error.strerror or error}") from error
    return len(kept), sum(each.size for each in kept)
