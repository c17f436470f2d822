"""Columns of values that are made when they are asked for, or are found by their keys, for millions of rows."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from tlkit.system.columns import Made, Places

S = TypeVar("S")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Mapped(Made[T_co], Generic[S, T_co]):
    """What a function makes of each of some values.

    Args:
        make: the function.
        values: the values.
    """

    def __init__(self, make: Callable[[S], T_co], values: Sequence[S]) -> None:
        self._make, self._values = make, values

    def __len__(self) -> int:
        return len(self._values)

    def _at(self, place: int) -> T_co:
        return self._make(self._values[place])


class Blobs(Made[bytes]):
    """A column of short pieces of bytes, which takes 8 bytes for each besides its own.

    Args:
        pieces: the pieces.
    """

    def __init__(self, pieces: Iterable[bytes] = ()) -> None:
        self._bytes = bytearray()
        self._ends = array("q", [0])
        for piece in pieces:
            self.append(piece)

    def append(self, piece: bytes) -> None:
        """Add a piece."""
        self._bytes += piece
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def _at(self, place: int) -> bytes:
        return bytes(self._bytes[self._ends[place] : self._ends[place + 1]])


class Column(Protocol[T_co]):
    """Values at places."""

    def __getitem__(self, place: int, /) -> T_co:
        """Return the value at a place."""
        ...


class Keyed(Mapping[str, T], Generic[T]):
    """Key → a value of a column, for many keys that share their places with other columns.

    Args:
        places: the place of each key.
        column: the values.
        rows: the row in the column of each place, or -1 where the key has no value; None: its place.
    """

    def __init__(self, places: Places, column: Column[T], rows: array[int] | None = None) -> None:
        self._places, self.column, self._rows = places, column, rows
        self._count = len(places) - (0 if rows is None else rows.count(-1))

    def _row(self, key: object) -> int:
        place = self._places.get(key)
        return place if place < 0 or self._rows is None else self._rows[place]

    def __getitem__(self, key: str) -> T:
        row = self._row(key)
        if row < 0:
            raise KeyError(key)
        return self.column[row]

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        row = self._row(key)
        return default if row < 0 else self.column[row]

    def __contains__(self, key: object) -> bool:
        return self._row(key) >= 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        rows = self._rows
        if rows is None:
            return iter(self._places)
        return (key for key, row in zip(self._places, rows, strict=True) if row >= 0)
