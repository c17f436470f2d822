"""Columns of text for millions of rows: what repeats is kept once, and digests are kept as bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

_DIGEST = re.compile(r"[0-9a-f]{64}")
_BYTES = 32
_MAX_KINDS = 100_000
"""How many texts of a column are looked up, to keep each of them once."""


class Texts(Sequence[str]):
    """A column of texts, of which equal ones are kept once as long as they are few.

    Args:
        texts: the texts.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: list[str] = []
        self._kinds: dict[str, str] = {}
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Add a text."""
        find = self._kinds.setdefault if len(self._kinds) < _MAX_KINDS else self._kinds.get
        self._texts.append(find(text, text))

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        return self._texts[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)


class HexDigests(Sequence[str]):
    """A column of SHA-256 digests in hexadecimal digits, which takes 32 bytes for each; other texts stay as they are.

    Args:
        digests: the digests.
        prefix: what stands before the digits of each.
    """

    def __init__(self, digests: Iterable[str] = (), prefix: str = "") -> None:
        self._bytes = bytearray()
        self._others: dict[int, str] = {}
        self._prefix = prefix
        for digest in digests:
            self.append(digest)

    def append(self, digest: str) -> None:
        """Add a digest."""
        digits = digest.removeprefix(self._prefix)
        if _DIGEST.fullmatch(digits) and len(digits) + len(self._prefix) == len(digest):
            self._bytes += bytes.fromhex(digits)
        else:
            self._others[len(self)] = digest
            self._bytes += bytes(_BYTES)

    def __len__(self) -> int:
        return len(self._bytes) // _BYTES

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        place = range(len(self))[place]
        if place in self._others:
            return self._others[place]
        return self._prefix + self._bytes[place * _BYTES : (place + 1) * _BYTES].hex()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
