"""The facts of millions of files in some 90 bytes each."""

from __future__ import annotations

from array import array
from dataclasses import replace
from operator import attrgetter

from tlkit.data.checks.facts import Facts
from tlkit.system.columns import HexDigests, Made

_MAX_KINDS = 1_000_000
"""How many different facts, but for those of single files, are looked up, to keep each of them once."""
_BLANK = Facts()
_OWN = ("digest", "picture", "width", "height", "classes", "palette")
_shared_of = attrgetter(*(name for name in Facts.__slots__ if name not in _OWN))


class FactsColumn(Made[Facts]):
    """The facts of files; a record of them is made when it is asked for.

    Args:
        count: the number of files; each has no facts until it gets some.
    """

    def __init__(self, count: int) -> None:
        self.digests = HexDigests(empty=count)
        self.pictures = HexDigests(empty=count)
        self._sizes = array("q", [0]) * (2 * count)
        self._kinds: list[Facts] = [_BLANK]
        self._numbers: dict[tuple[object, ...], int] = {}
        self._kind_of = array("i", [0]) * count

    def __setitem__(self, place: int, facts: Facts) -> None:
        """Put facts in place of others."""
        self.digests[place], self.pictures[place] = facts.digest, facts.picture
        self._sizes[2 * place], self._sizes[2 * place + 1] = facts.width, facts.height
        self._kind_of[place] = self._number(facts)

    def _number(self, facts: Facts) -> int:
        """Return the number of the facts that many files share."""
        alone = facts.classes or facts.palette
        key = _shared_of(facts)
        number = None if alone else self._numbers.get(key)
        if number is None:
            number = len(self._kinds)
            self._kinds.append(replace(facts, digest="", picture="", width=0, height=0))
            if not alone and number < _MAX_KINDS:
                self._numbers[key] = number
        return number

    def append(self, facts: Facts) -> int:
        """Add the facts of another file, and return its place."""
        place = len(self)
        self.digests.append("")
        self.pictures.append("")
        self._sizes.extend((0, 0))
        self._kind_of.append(0)
        self[place] = facts
        return place

    def kind(self, place: int) -> Facts:
        """Return the facts that a file shares with others: without its digests and its size."""
        return self._kinds[self._kind_of[place]]

    def __len__(self) -> int:
        return len(self._kind_of)

    def _at(self, place: int) -> Facts:
        kind = self._kinds[self._kind_of[place]]
        return Facts(
            self.digests[place],
            kind.problem,
            kind.reason,
            kind.format,
            kind.mode,
            self._sizes[2 * place],
            self._sizes[2 * place + 1],
            kind.animated,
            kind.constant,
            kind.nan,
            kind.orientation,
            kind.values,
            self.pictures[place],
            kind.classes,
            kind.between,
            kind.palette,
        )
