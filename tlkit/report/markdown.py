"""Markdown in which names from strangers stay names: they become neither markup, links nor lines of a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tlkit.system.text import shorten
from tlkit.system.visible import visible, visible_line

_PLAIN_CODE = re.compile(r"[\w .,:;()+/=#%-]*[\w.,:;()+/=#%-]")
"""A name that a pair of backticks holds as it is, in a table too."""
_LONGEST = 120
"""Characters of a name that are shown."""
_AS_ENTITY = re.compile(r"""[^\w\s.,;()%–…'"/=+-]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.""", re.IGNORECASE)
"""What may mean something to Markdown or HTML; an entity never does. Between letters, ``_`` means nothing."""


def code(name: str) -> str:
    """Return a name as code: between backticks if nothing in it needs more, else as HTML with entities."""
    shown = shorten(visible_line(name), _LONGEST)
    if _PLAIN_CODE.fullmatch(shown) and not shown.startswith(" "):
        return f"`{shown}`"
    return f"<code>{_entities(shown, r'[^0-9A-Za-z ]')}</code>"


def prose(text: str) -> str:
    """Return a text of one line in which nothing is markup."""
    return _entities(visible_line(text), _AS_ENTITY)


def _entities(text: str, pattern: str | re.Pattern[str]) -> str:
    return re.sub(pattern, lambda match: f"&#{ord(match[0])};" if match[0].isascii() else match[0], text)


def link(text: str, address: str) -> str:
    """Return a link to an address of tlkit's own."""
    return f"[{text}]({address})"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> list[str]:
    """Return the lines of a table.

    Args:
        columns: the titles.
        rows: the cells of each row, as Markdown without line breaks.
        numbers: how many of the last columns are aligned to the right.
    """
    right = len(columns) - numbers
    rule = ["---:" if number >= right else "---" for number in range(len(columns))]
    return [f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows)]


def fenced(text: str, language: str = "") -> list[str]:
    """Return the lines of a block of code; its fence is longer than any run of backticks in it."""
    shown = visible(text).rstrip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    return [f"{fence}{language}", *shown.split("\n"), fence]
