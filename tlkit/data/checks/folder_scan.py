"""Scan everything in a data set's folder, including what data sets don't list: junk, links, cycles, special files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tlkit.files import is_image, is_junk, leads_above
from tlkit.files.image_formats import OTHER_OF_SUFFIX, format_of, other_format


@dataclass
class Scan:
    """The contents of a folder. A folder that several links lead to is entered once.

    Args:
        files: the regular files except junk and those that are known, as text: a path object takes several times the
            time and the memory.
        counts: folder → number of the regular files directly in it except junk, the known ones too.
        junk: files and folders left behind by operating systems and editors → number of files in each.
        odd: entries that are neither regular files nor folders → what they are.
        folders: all folders except junk.
        linked: link to a folder that is in the tree anyway → that folder.
        cycles: link to a folder above it → that folder.
    """

    files: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    junk: dict[Path, int] = field(default_factory=dict)
    odd: dict[Path, str] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    linked: dict[Path, Path] = field(default_factory=dict)
    cycles: dict[Path, Path] = field(default_factory=dict)


def scan(root: Path, is_known: Callable[[str], bool] = lambda _file: False) -> Scan:
    """Scan everything below a folder; a folder that can't be listed counts as empty.

    Args:
        root: the folder.
        is_known: returns whether a file is known, so that it need not be kept.
    """
    contents = Scan()
    links: list[Path] = []
    _enter(root, contents, links, is_known)
    known = _real_paths(root, contents.folders)
    while links:
        link = links.pop(0)
        target = link.resolve()
        if leads_above(link):
            contents.cycles[link] = target
        elif target in known:
            contents.linked[link] = known[target]
        else:
            contents.folders.append(link)
            inner = Scan()
            _enter(link, inner, links, is_known)
            contents.files += inner.files
            contents.counts |= inner.counts
            contents.junk |= inner.junk
            contents.odd |= inner.odd
            contents.folders += inner.folders
            known |= _real_paths(link, inner.folders)
    return contents


def _real_paths(root: Path, folders: Sequence[Path]) -> dict[Path, Path]:
    """Return real path → path, of a folder and of folders below it that are reached without links."""
    real = root.resolve()
    return {real: root} | {real / folder.relative_to(root): folder for folder in folders}


def _enter(root: Path, contents: Scan, links: list[Path], is_known: Callable[[str], bool]) -> None:
    """Add what is below a folder to ``contents``, and links to folders to ``links`` without following them."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        start, count = str(folder / "x")[:-1], 0
        for entry in _entries(folder):
            if entry.is_file() and not is_junk(entry.name):
                count += 1
                if not is_known(start + entry.name):
                    contents.files.append(start + entry.name)
                continue
            path = folder / entry.name
            if is_junk(entry.name):
                contents.junk[path] = _count_files(path) if entry.is_dir(follow_symlinks=False) else 1
            elif entry.is_symlink() and path.is_dir():
                links.append(path)
            elif entry.is_dir(follow_symlinks=False):
                contents.folders.append(path)
                waiting.append(path)
            else:
                contents.odd[path] = "a broken link" if entry.is_symlink() else "neither a file nor a folder"
        if count:
            contents.counts[start.rstrip(os.sep)] = count


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _count_files(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def by_content(file: Path) -> str:
    """Return what an unused file is by its first bytes, and what to do about it; empty if its name already says so."""
    if is_image(file):
        return ""
    try:
        with file.open("rb") as stream:
            start = stream.read(512)
    except OSError:
        return ""
    kind = format_of(start)
    promised = OTHER_OF_SUFFIX.get(file.suffix.lower())
    other = other_format(start)
    if kind is not None and promised is None and other is None:
        renamed = f"{file.stem}{kind.suffixes[0]}"
        return f"is a {kind.name} image by its content, but not by its name; rename it to {renamed}"
    known = other or promised
    return "" if known is None else known.sentence
