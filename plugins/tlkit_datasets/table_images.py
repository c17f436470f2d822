"""Find the files that a table names: with another slash, without their suffix, or in another case."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import tlkit

_MAX_FILES = 200_000
"""How many files are listed for a hint."""


@dataclass(frozen=True)
class Found:
    """A file that a cell of a table names.

    Args:
        key: its path below the root as the cell has it, or as it is on the disk where they differ.
        path: the file.
        how: how it was found: "" as the cell has it, otherwise words for a note.
        exists: whether there is such a file.
    """

    key: str
    path: Path
    how: str = ""
    exists: bool = True


@dataclass
class _Folder:
    """The names in a folder: as they are, folded, and folded without an image's suffix."""

    names: frozenset[str] = frozenset()
    folded: dict[str, list[str]] = field(default_factory=dict)
    stems: dict[str, list[str]] = field(default_factory=dict)


class ImageFinder:
    """Find files below a root.

    Args:
        root: the folder that paths are relative to.
        suffix: what the cells lack at their end, such as ``.jpg``.
        prefix: what is cut off at their beginning.
        anywhere: whether a file may be in any folder below the root, if there is only one of its name.
    """

    def __init__(self, root: Path, suffix: str = "", prefix: str = "", *, anywhere: bool = False) -> None:
        self.root = root
        self._anywhere = anywhere
        self._suffix = suffix
        self._prefix = _slashed(prefix)
        self._folders: dict[Path, _Folder] = {}

    def find(self, cell: str, where: str) -> Found:
        """Find a file.

        Args:
            cell: the path or name that the table has.
            where: file, line and column, for messages.

        Raises:
            DataError: the cell is no path, or several files could be meant.
        """
        if re.match(r"[a-z][a-z0-9+.-]+://", cell, re.IGNORECASE):
            raise tlkit.DataError(
                f"{where} has the address {cell}; expected the path of a file: download the images, and write their "
                "paths into the table"
            )
        if "\0" in cell or "\n" in cell:
            what = "a NUL character" if "\0" in cell else "a line break"
            raise tlkit.DataError(
                f"{where} has {what}; expected a path: save the table as text in UTF-8, with every quote closed"
            )
        if self._prefix and _slashed(cell).startswith(self._prefix):
            cell = _slashed(cell).removeprefix(self._prefix).lstrip("/")
        if self._suffix and not cell.lower().endswith(self._suffix.lower()):
            cell += self._suffix
        if self._is_there(cell):
            return Found(cell, self.root / cell)
        key, how = self._resolved(_slashed(cell), where)
        if key is None and self._anywhere:
            key, how = self._elsewhere(_slashed(cell), where)
        return Found(cell, self.root / cell, exists=False) if key is None else Found(key, self.root / key, how)

    def _is_there(self, cell: str) -> bool:
        parts = cell.split("/")
        if cell.startswith("/") or ".." in parts or Path(cell).is_absolute():
            return (self.root / cell).is_file()
        folder = self.root
        for part in parts[:-1]:
            if part in ("", "."):
                continue
            if part not in self._listed(folder).names:
                return False
            folder = folder / part
        return parts[-1] in self._listed(folder).names

    def _resolved(self, cell: str, where: str) -> tuple[str | None, str]:
        """Return the path below the root of the file that a cell may mean, and how it was found."""
        if cell.startswith("/") or re.match(r"[a-zA-Z]:", cell):
            return None, ""
        folder, parts, how = self.root, [part for part in cell.split("/") if part not in ("", ".")], set()
        if not parts or ".." in parts:
            return None, ""
        for part in parts[:-1]:
            here = self._listed(folder)
            name = part if part in here.names else self._only(here.folded.get(_fold(part), []), part, where)
            if name is None:
                return None, ""
            how |= {"in another case"} if name != part else set()
            folder = folder / name
        here, last = self._listed(folder), parts[-1]
        name = last if last in here.names else self._only(here.folded.get(_fold(last), []), last, where)
        if name is None:
            name = self._only(here.stems.get(_fold(last), []), last, where)
            how |= {f"with the suffix {Path(name).suffix}"} if name else set()
        elif name != last:
            how.add("in another case")
        if name is None:
            return None, ""
        return (folder / name).relative_to(self.root).as_posix(), " and ".join(sorted(how)) or "with other slashes"

    def _elsewhere(self, cell: str, where: str) -> tuple[str | None, str]:
        files = self._by_name.get(_fold(cell.rpartition("/")[2]), [])
        if len(files) > 1:
            shown = " and ".join(file.relative_to(self.root).as_posix() for file in files[:3])
            raise tlkit.DataError(f'{where} has "{cell}", but there are {shown}; write the path with its folder')
        return (files[0].relative_to(self.root).as_posix(), "in folders below the root") if files else (None, "")

    def unique(self, cells: Sequence[str]) -> int:
        """Return of how many of the first 50 cells exactly one file below the root has the name."""
        return sum(len(self._by_name.get(_fold(_slashed(cell).rpartition("/")[2]), [])) == 1 for cell in cells[:50])

    def _only(self, names: Sequence[str], wanted: str, where: str) -> str | None:
        if len(names) > 1:
            raise tlkit.DataError(
                f'{where} has "{wanted}", which could be {" or ".join(sorted(names)[:3])}; write the name in full, or '
                f'set data.suffix, such as "{Path(sorted(names)[0]).suffix}"'
            )
        return names[0] if names else None

    def _listed(self, folder: Path) -> _Folder:
        if folder not in self._folders:
            listed = _Folder()
            try:
                names = sorted(entry.name for entry in folder.iterdir())
            except OSError:
                names = []
            listed.names = frozenset(names)
            for name in names:
                listed.folded.setdefault(_fold(name), []).append(name)
                if tlkit.files.is_image(Path(name)):
                    listed.stems.setdefault(_fold(name.rpartition(".")[0]), []).append(name)
            self._folders[folder] = listed
        return self._folders[folder]

    def located(self, cells: Sequence[str]) -> list[tuple[int, Path, str]]:
        """Return where files of the cells' names lie below the root: how many, the root for them, and what to cut off.

        Args:
            cells: the paths that the table has; the first 50 are looked for.

        Returns:
            all that are found most often, by their paths.
        """
        votes = Counter[tuple[Path, str]]()
        for cell in cells[:50]:
            parts = [part for part in _slashed(cell).split("/") if part not in ("", ".")]
            files = self._by_name.get(_fold(parts[-1]), []) if parts else []
            votes.update({_base(file, parts, cell) for file in files[:5]})
        most = max(votes.values(), default=0)
        return sorted((count, root, prefix) for (root, prefix), count in votes.items() if count == most)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """All files below the root by their folded names, and images by those without suffix too."""
        found: dict[str, list[Path]] = {}
        files = tlkit.files.walk(self.root) if self.root.is_dir() else iter(())
        for file in islice(files, None if self._anywhere else _MAX_FILES):
            stem = {_fold(file.name.rpartition(".")[0])} if tlkit.files.is_image(file) else set()
            for name in {_fold(file.name), *stem}:
                found.setdefault(name, []).append(file)
        return found

    def hint(self, cells: Sequence[str], given: Path | None) -> str:
        """Return what to do about files that are missing, as a sentence; empty if nothing is known.

        Args:
            cells: the paths that the table has.
            given: the folder that a recipe names with ``data.root``, if it does.
        """
        places = self.located(cells)
        if not places:
            return self._nearest(cells[0])
        if self.unique(cells) > places[0][0]:
            return f"Files of these names are in several folders of {self.root}: set data.anywhere = true"
        if len(places) > 1:
            names = " and in ".join(dict.fromkeys(str(root) for _, root, _ in places[:3]))
            return f"Files of these names are in {names}: set data.root to the right one"
        _, root, prefix = places[0]
        keys = [f"data.root = {_quoted(root)}"] if root != self.root or given is not None else []
        keys += [f"data.strip_prefix = {_quoted(prefix)}"] if prefix else []
        return f"Files of these names are in {root}: set {' and '.join(keys)}" if keys else ""

    def _nearest(self, cell: str) -> str:
        name = _slashed(cell).rpartition("/")[2]
        folder = (self.root / _slashed(cell)).parent
        if not folder.is_dir():
            return f"There is no folder {folder}; data.root names the folder that the paths are relative to"
        listed = self._listed(folder)
        same = listed.stems.get(_fold(name.rpartition(".")[0]), [])
        if same:
            return f"{folder} has {same[0]}: write the suffix {Path(same[0]).suffix} into the table"
        near = difflib.get_close_matches(name, sorted(listed.names)[:10_000], 1)
        return (
            f'The nearest name in {folder} is "{near[0]}"' if near else f"{folder} has {len(listed.names)} other files"
        )


def _base(file: Path, parts: Sequence[str], cell: str) -> tuple[Path, str]:
    """Return the root with which a cell names a file, and what has to be cut off the cell's beginning."""
    below, kept = file.parent, 1
    while kept < len(parts) and _fold(below.name) == _fold(parts[-kept - 1]):
        below, kept = below.parent, kept + 1
    text = _slashed(cell)
    return below, "" if kept == len(parts) and not text.startswith("/") else text[
        : text.rindex("/".join(parts[-kept:]))
    ]


def _slashed(text: str) -> str:
    return text.replace("\\", "/")


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _quoted(text: Path | str) -> str:
    return f'"{text.as_posix() if isinstance(text, Path) else text}"'
