"""What is known of the files of a remote folder's local copy, in a file that survives a killed process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

_FIELDS = (str, int, str, str)


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched.

    Args:
        name: its path below the folder.
        size: its size in bytes.
        version: what the source said of its content; see ``RemoteFile``.
        digest: the SHA-256 of its bytes.
    """

    name: str
    size: int
    version: str
    digest: str


def read_index(file: Path) -> dict[str, Fetched]:
    """Return name → what was fetched; a line that is damaged, or was not written to its end, counts as missing."""
    fetched: dict[str, Fetched] = {}
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                values = _values(line)
                if values is not None:
                    fetched[values.name] = values
    except FileNotFoundError:
        pass
    return fetched


def _values(line: str) -> Fetched | None:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    right = isinstance(values, list) and [type(each) for each in values] == list(_FIELDS)
    return Fetched(*values) if right else None


def index_text(fetched: Iterable[Fetched]) -> str:
    """Return the text of an index."""
    return "".join(map(_line, fetched))


def add_to_index(file: TextIO, fetched: Fetched) -> None:
    """Append a file to an open index, so that a process that is killed later has not fetched it in vain."""
    file.write(_line(fetched))
    file.flush()


def _line(each: Fetched) -> str:
    return json.dumps([each.name, each.size, each.version, each.digest]) + "\n"


def usable_names(
    names: Iterable[str], folds_case: bool, problem: Callable[[str], str]
) -> tuple[list[str], Mapping[str, str]]:
    """Choose the names of remote files that can be files below one folder.

    Args:
        names: the names, with ``/`` between the parts; any text may be one.
        folds_case: whether the disk takes ``A.jpg`` and ``a.jpg`` for one file.
        problem: returns why a name is none for a file of this machine; an empty text if it is.

    Returns:
        the names that can be used, and name → why it can't be for the others.
    """
    wanted = sorted(names)
    refused = {name: reason for name in wanted if (reason := problem(name))}
    folders = {name[:place] for name in wanted if name not in refused for place in _slashes(name)}
    usable: list[str] = []
    taken: dict[str, str] = {}
    for name in wanted:
        if name in refused:
            continue
        same = taken.setdefault(name.casefold(), name) if folds_case else name
        if name in folders:
            refused[name] = "is a file and a folder at once"
        elif same != name:
            refused[name] = f"is the same name as {same} on this disk, which ignores case"
        else:
            usable.append(name)
    return usable, refused


def _slashes(name: str) -> list[int]:
    return [place for place, letter in enumerate(name) if letter == "/"]


def name_problem(name: str, windows: bool = False) -> str:
    """Return why the name of a remote file is none for a file below a folder; an empty text if it is one.

    Args:
        name: the name, with ``/`` between the parts.
        windows: whether this machine runs Windows.
    """
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or (windows and ":" in name):
        return "is no path below the folder"
    if ".." in parts or "." in parts or "" in parts:
        return 'has a part "..", "." or none between two slashes'
    if "\0" in name:
        return "has a NUL character"
    try:
        longest = max(len(part.encode("utf-8")) for part in parts)
    except UnicodeEncodeError:
        return "is no Unicode text"
    return "is longer than a file's name may be" if longest > 255 else ""
