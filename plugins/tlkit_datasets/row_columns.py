"""The rows of tables in columns: of millions of images, what repeats is kept once."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import tlkit


class Row(NamedTuple):
    """An image of a table.

    Args:
        table: the file.
        line: its line there.
        key: the key of its sample.
        root: the folder that ``name`` is relative to.
        name: the path of its file below the root.
        labels: its class names; none for segmentation.
        mask: its mask; None for classification.
        split: the prescribed split, if any.
        group: the group, if any.
    """

    table: Path
    line: int
    key: str
    root: Path
    name: str
    labels: tuple[str, ...] = ()
    mask: Path | None = None
    split: tlkit.Split | None = None
    group: str | None = None

    @property
    def where(self) -> str:
        """The file and the line, for messages."""
        return f"{self.table}:{self.line}"

    @property
    def path(self) -> Path:
        """Its file."""
        return self.root / self.name


class RowKind(NamedTuple):
    """What many rows have in common.

    Args:
        table: as of ``Row``.
        root: as of ``Row``.
        before: what their keys have before the names.
        labels: as of ``Row``.
        split: as of ``Row``.
    """

    table: Path
    root: Path
    before: str
    labels: tuple[str, ...]
    split: tlkit.Split | None


class RowColumns(Sequence[Row]):
    """Rows, at 24 bytes each besides its key and its group; a row is made when it is asked for."""

    def __init__(self) -> None:
        self.kinds: list[RowKind] = []
        self.keys: list[str] = []
        self._of_kind = array("i")
        self._lines = array("i")
        self._groups: list[str | None] = []
        self._masks: dict[int, Path] = {}

    def add_kind(self, kind: RowKind) -> int:
        """Add a kind, and return its number for ``add``."""
        self.kinds.append(kind)
        return len(self.kinds) - 1

    def add(self, kind: int, line: int, key: str, mask: Path | None, group: str | None) -> None:
        """Add a row."""
        if mask is not None:
            self._masks[len(self.keys)] = mask
        self.keys.append(key)
        self._of_kind.append(kind)
        self._lines.append(line)
        self._groups.append(group)

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Row]:
        return map(self._row, range(len(self)))

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        places = range(len(self))[place]
        return list(map(self._row, places)) if isinstance(places, range) else self._row(places)

    def _row(self, place: int) -> Row:
        table, root, before, labels, split = self.kinds[self._of_kind[place]]
        key, line, mask, group = self.keys[place], self._lines[place], self._masks.get(place), self._groups[place]
        return Row(table, line, key, root, key[len(before) :] if before else key, labels, mask, split, group)
