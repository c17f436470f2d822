"""Everything that lies in a data set's folder, also what no data set lists: junk, links, loops, odd files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tlkit.data.images.image_file import format_of
from tlkit.files import is_image, is_junk, leads_above

_HEIF = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_SUFFIX = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif", "WebP": ".webp"}


@dataclass
class Scan:
    """What lies below a folder. Folders that are reached by a link are not entered a second time.

    Args:
        files: all regular files, junk left out.
        junk: files and folders that operating systems and editors leave behind, with how many files each has.
        odd: what is neither a regular file nor a folder, with what it is.
        folders: all folders, junk left out.
        linked: a link to a folder that is in the tree anyway → that folder.
        cycles: a link to a folder above it → that folder.
    """

    files: list[Path] = field(default_factory=list)
    junk: dict[Path, int] = field(default_factory=dict)
    odd: dict[Path, str] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    linked: dict[Path, Path] = field(default_factory=dict)
    cycles: dict[Path, Path] = field(default_factory=dict)


def scan(root: Path) -> Scan:
    """Look at all that lies below a folder; of folders that can't be listed nothing is found but themselves."""
    found = Scan()
    links: list[Path] = []
    _enter(root, found, links)
    known = _real_paths(root, found.folders)
    while links:
        link = links.pop(0)
        target = link.resolve()
        if leads_above(link):
            found.cycles[link] = target
        elif target in known:
            found.linked[link] = known[target]
        else:
            found.folders.append(link)
            inner = Scan()
            _enter(link, inner, links)
            found.files += inner.files
            found.junk |= inner.junk
            found.odd |= inner.odd
            found.folders += inner.folders
            known |= _real_paths(link, inner.folders)
    return found


def _real_paths(root: Path, folders: Sequence[Path]) -> dict[Path, Path]:
    """Real path → path of a folder and of those below it, to which no links lead."""
    real = root.resolve()
    return {real: root} | {real / folder.relative_to(root): folder for folder in folders}


def _enter(root: Path, found: Scan, links: list[Path]) -> None:
    waiting = [root]
    while waiting:
        for entry in _entries(waiting.pop()):
            path = Path(entry.path)
            if is_junk(entry.name):
                found.junk[path] = _files_below(path) if entry.is_dir(follow_symlinks=False) else 1
            elif entry.is_symlink() and path.is_dir():
                links.append(path)
            elif entry.is_dir(follow_symlinks=False):
                found.folders.append(path)
                waiting.append(path)
            elif path.is_file():
                found.files.append(path)
            else:
                lost = entry.is_symlink()
                found.odd[path] = "a link that leads nowhere" if lost else "neither a file nor a folder"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _files_below(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def by_content(file: Path) -> str:
    """What an unused file is by its first bytes, and what to do about it; empty if it is as its name says."""
    if is_image(file):
        return ""
    try:
        with file.open("rb") as stream:
            start = stream.read(256)
    except OSError:
        return ""
    kind = format_of(start)
    if kind:
        return f"is a {kind} image by its content, but not by its name; rename it to {file.stem}{_SUFFIX[kind]}"
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF:
        return "is a HEIC or AVIF image, which can't be decoded; convert it to JPEG"
    if b"<svg" in start.lower():
        return "is a drawing (SVG), which can't be decoded; convert it to PNG"
    return ""
