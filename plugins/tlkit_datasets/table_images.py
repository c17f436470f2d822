"""Find the files that a table names: with another slash, without their suffix, or in another case."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import tlkit

_MAX_FILES = 200_000
"""How many files are listed for a hint."""
_MAX_NAMES = 1_000_000
"""How many names of files are kept in memory."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a cell of a table names.

    Args:
        key: its path below the root as the cell has it, or as it is on the disk where they differ.
        root: the folder that it is in.
        how: how it was found: "" as the cell has it, otherwise words for a note.
        exists: whether there is such a file.
    """

    key: str
    root: Path
    how: str = ""
    exists: bool = True

    @property
    def path(self) -> Path:
        """The file."""
        return self.root / self.key


@dataclass(frozen=True)
class _Folder:
    """The names in a folder: as they are, folded, and folded without an image's suffix."""

    names: frozenset[str] = frozenset()

    @cached_property
    def folded(self) -> dict[str, list[str]]:
        return _by(_fold, sorted(self.names))

    @cached_property
    def stems(self) -> dict[str, list[str]]:
        images = [name for name in sorted(self.names) if tlkit.files.is_image(Path(name))]
        return _by(lambda name: _fold(name.rpartition(".")[0]), images)


def _by(key: Callable[[str], str], names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return found


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
        self._folders: OrderedDict[Path, _Folder] = OrderedDict()
        self._held, self._left = 0, set[Path]()
        self._last: tuple[str, Path] | None = None

    def has(self, cell: str) -> bool:
        """Return whether a cell of a table is a file's path just as it stands; if not, ``find`` may still find it."""
        plain = not self._prefix and not self._suffix and "\n" not in cell and "://" not in cell
        return plain and self._is_there(cell)

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
            return Found(cell, self.root)
        key, how = self._resolved(_slashed(cell), where)
        if key is None and self._anywhere:
            key, how = self._elsewhere(_slashed(cell), where)
        return Found(cell, self.root, exists=False) if key is None else Found(key, self.root, how)

    def _is_there(self, cell: str) -> bool:
        before, _, name = cell.rpartition("/")
        if before and self._last is not None and self._last[0] == before:  # as of most rows
            return self._has(self._last[1], name)
        parts = cell.split("/")
        if cell.startswith("/") or ".." in parts or Path(cell).is_absolute():
            return (self.root / cell).is_file()
        folder = self.root
        for part in parts[:-1]:
            if part in ("", "."):
                continue
            if not self._has(folder, part):
                return False
            folder = folder / part
        self._last = before, folder
        return self._has(folder, parts[-1])

    def _has(self, folder: Path, name: str) -> bool:
        """Return whether a folder has a name; of a folder that was given up, ask the file system."""
        if folder in self._left and folder not in self._folders:
            return name not in ("", ".", "..") and os.path.lexists(folder / name)
        return name in self._listed(folder).names

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
        """Return the names in a folder; those of the last ``_MAX_NAMES`` names are kept."""
        if folder in self._folders:
            self._folders.move_to_end(folder)
            return self._folders[folder]
        try:
            listed = _Folder(frozenset(os.listdir(folder)))  # noqa: PTH208 - many
        except OSError:
            listed = _Folder()
        self._folders[folder] = listed
        self._held += len(listed.names)
        while self._held > _MAX_NAMES and len(self._folders) > 1:
            oldest, given_up = self._folders.popitem(last=False)
            self._held -= len(given_up.names)
            self._left.add(oldest)
        return listed

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
