"""What the workers of a pass are given: blocks, their parts, and what is done again of those that cost a worker."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Work = Callable[[Sequence[T]], Iterable[R]]
"""Yields a result for each item of a block, as soon as it has it: how far it is shows whether it hangs."""

LIVES = 2
"""Workers that a block may cost before it is divided, and an item of its own before it is given up."""
_PIECES = 8
"""Parts into which a block is divided that cost its workers."""


class Fate(NamedTuple):
    """What became of each worker that an item was given to.

    Args:
        what: in words, such as ``each process that read it died``.
        why: the reason, if one is known.
    """

    what: str
    why: str


@dataclass(frozen=True)
class Crew(Generic[T, R]):
    """What the workers do.

    Args:
        start: called once in each worker: returns what works on a block. It is pickled, as the items and results are.
        died: returns the result of an item whose worker was lost each time, given the item and what became of them.
        noun: what an item is called in the plural.
        title: returns what messages call an item.
    """

    start: Callable[[], Work[T, R]]
    died: Callable[[T, Fate], R]
    noun: str = "images"
    title: Callable[[T], str] | None = None


@dataclass(eq=False)
class Block:
    """A block of the list, and the results of its items as far as there are any."""

    items: Sequence[Any]
    results: list[Any]
    left: int


@dataclass(eq=False)
class Part:
    """A block, or a part of one.

    One that has cost a worker is given to a worker alone: the answer to a part before it could be lost with the worker,
    and that part be suspected.

    Args:
        block: the block.
        first: where in the block it begins.
        end: where it ends.
        lives: the workers that it may cost before it is divided.
        alone: whether its worker is given nothing else.
        suspect: the place in the part of the item that a worker was reading when it hung.
    """

    block: Block
    first: int
    end: int
    lives: int = LIVES
    alone: bool = False
    suspect: int | None = None

    @property
    def items(self) -> Sequence[Any]:
        """What is worked on."""
        return self.block.items[self.first : self.end]

    @property
    def count(self) -> int:
        """The number of items."""
        return self.end - self.first

    def finish(self, results: Sequence[Any]) -> None:
        """Keep the results of all items."""
        self.block.results[self.first : self.end] = results
        self.block.left -= self.count


def after_death(part: Part, crew: Crew[Any, Any], fate: Fate) -> Iterator[Part]:
    """Yield what is done again of a part that has cost its worker; one of a single item may be given up instead."""
    part.lives -= 1
    part.alone = True
    if part.lives:
        yield part
    elif part.count == 1:
        part.finish([crew.died(part.items[0], fate)])
    else:
        size = math.ceil(part.count / _PIECES)
        for first in range(part.first, part.end, size):
            yield Part(part.block, first, min(first + size, part.end), LIVES if size == 1 else 1, alone=True)


def after_hang(part: Part, crew: Crew[Any, Any], fate: Fate, place: int | None) -> Iterator[Part]:
    """Yield what is done again of a part whose worker hung: all of it, or all but an item that hung two workers.

    Args:
        part: the part.
        crew: what the workers do.
        fate: what became of the worker.
        place: the place in the part of the item that it was reading; None where that is not known: then the part is
            treated as one that has killed its worker.
    """
    if place is None or not 0 <= place < part.count:
        yield from after_death(part, crew, fate)
        return
    part.alone = True
    if part.suspect != place:
        part.suspect = place
        yield part
        return
    wrong = part.first + place
    Part(part.block, wrong, wrong + 1).finish([crew.died(part.items[place], fate)])
    for first, end in ((part.first, wrong), (wrong + 1, part.end)):
        if first < end:
            yield Part(part.block, first, end, alone=True)
