"""Columns of text for millions of rows: what repeats is kept once, and digests are kept as bytes."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar, overload

T_co = TypeVar("T_co", covariant=True)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_BYTES = 32
_NO_DIGEST = bytes(_BYTES)
_MAX_KINDS = 2_000_000
"""How many texts of a column are looked up, to keep each of them once."""


class Places:
    """The place of each of many keys, in a quarter of the memory of a dictionary; a key is added once.

    Args:
        keys: the first keys.

    Places stand in a table with linear probing, and keys in a list: Knuth 1998, "The Art of Computer Programming",
    volume 3, algorithm 6.4 L.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys: list[str] = []
        self._table = array("i", [-1]) * 8
        for key in keys:
            self.add(key)

    def add(self, key: str) -> bool:
        """Give a key the next place; return False, and do nothing, if it has one."""
        keys, table = self._keys, self._table
        if 3 * len(keys) >= 2 * len(table):
            table = self._table = self._larger()
        mask = len(table) - 1
        at = hash(key) & mask
        while (place := table[at]) >= 0:
            if keys[place] == key:
                return False
            at = (at + 1) & mask
        table[at] = len(keys)
        keys.append(key)
        return True

    def _larger(self) -> array[int]:
        table = array("i", [-1]) * (2 * len(self._table))
        mask = len(table) - 1
        for place, key in enumerate(self._keys):
            at = hash(key) & mask
            while table[at] >= 0:
                at = (at + 1) & mask
            table[at] = place
        return table

    def get(self, key: object) -> int:
        """Return the place of a key; -1 if it has none."""
        keys, table = self._keys, self._table
        mask = len(table) - 1
        at = hash(key) & mask
        while (place := table[at]) >= 0:
            if keys[place] == key:
                return place
            at = (at + 1) & mask
        return -1

    def __getitem__(self, key: str) -> int:
        place = self.get(key)
        if place < 0:
            raise KeyError(key)
        return place

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)


class Made(Sequence[T_co]):
    """Values that are made when they are asked for, by ``_at(place)``, with a place from 0."""

    @abstractmethod
    def _at(self, place: int) -> T_co: ...

    @overload
    def __getitem__(self, place: int) -> T_co: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T_co]: ...
    def __getitem__(self, place: int | slice) -> T_co | Sequence[T_co]:
        places = range(len(self))[place]
        return [self._at(each) for each in places] if isinstance(places, range) else self._at(places)


class Texts(Made[str]):
    """A column of texts, of which equal ones are kept once, and 4 bytes for each row.

    Args:
        texts: the texts.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: list[str] = []
        self._numbers: dict[str, int] = {}
        self._rows = array("I")
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add a text."""
        number = self._numbers.get(text)
        if number is None:
            number = len(self._texts)
            self._texts.append(text)
            if len(self._numbers) < _MAX_KINDS:
                self._numbers[text] = number
        self._rows.append(number)

    def __len__(self) -> int:
        return len(self._rows)

    def _at(self, place: int) -> str:
        return self._texts[self._rows[place]]

    def __iter__(self) -> Iterator[str]:
        return map(self._texts.__getitem__, self._rows)


class _Digests(Made[str]):
    """A column of digests; equal to any sequence with the same ones."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class HexDigests(_Digests):
    """A column of SHA-256 digests in hexadecimal digits, which takes 32 bytes for each; other texts stay as they are.

    Args:
        digests: the digests.
        prefix: what stands before the digits of each.
        empty: how many empty texts the column begins with.
    """

    def __init__(self, digests: Iterable[str] = (), prefix: str = "", empty: int = 0) -> None:
        self._bytes = bytearray(empty * _BYTES)
        self._others: dict[int, str] = {}
        self._prefix = prefix
        for digest in digests:
            self.append(digest)

    def append(self, digest: str) -> None:
        """Add a digest."""
        self._bytes += _NO_DIGEST
        if digest:
            self[len(self) - 1] = digest

    def __setitem__(self, place: int, digest: str) -> None:
        """Put a digest in place of another."""
        digits = digest.removeprefix(self._prefix) if self._prefix else digest
        if len(digits) + len(self._prefix) == len(digest) and _DIGEST.fullmatch(digits):
            content = bytes.fromhex(digits)
        else:
            content = _NO_DIGEST
        self._bytes[place * _BYTES : (place + 1) * _BYTES] = content
        if digest and content == _NO_DIGEST:
            self._others[place] = digest
        elif self._others:
            self._others.pop(place, None)

    def __len__(self) -> int:
        return len(self._bytes) // _BYTES

    def _at(self, place: int) -> str:
        if self._others and place in self._others:
            return self._others[place]
        digest = self._bytes[place * _BYTES : (place + 1) * _BYTES]
        return self._prefix + digest.hex() if digest != _NO_DIGEST else ""

    def __iter__(self) -> Iterator[str]:
        return map(self._at, range(len(self)))

    def starts(self) -> memoryview:
        """Return the first 8 bytes of each digest as a number, by which most differ; 0 of other texts.

        No digest can be added as long as it is in use.
        """
        return memoryview(self._bytes).cast("q")[:: _BYTES // 8]

    def contents(self) -> memoryview:
        """Return the 32 bytes of each digest, one after the other; zeros of other texts. As ``starts``."""
        return memoryview(self._bytes)


class Chosen(_Digests):
    """Some digests of a column in another order, at 4 bytes for each.

    Args:
        column: the column.
        places: the place in it of each.
    """

    def __init__(self, column: HexDigests, places: Iterable[int]) -> None:
        self.column = column
        self.places = array("i", places)

    def __len__(self) -> int:
        return len(self.places)

    def _at(self, place: int) -> str:
        return self.column[self.places[place]]

    def __iter__(self) -> Iterator[str]:
        return map(self.column.__getitem__, self.places)


def digest_of_lines(lines: Iterable[str]) -> str:
    """Return the SHA-256 of lines with a line break between them; of millions, a text of all would take a gigabyte."""
    digest = hashlib.sha256()
    for number, line in enumerate(lines):
        digest.update(f"\n{line}".encode() if number else line.encode())
    return digest.hexdigest()
