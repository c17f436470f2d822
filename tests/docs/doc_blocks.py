"""The code blocks of the documentation, as they stand on the pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = {
    file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
    for file in [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
}
"""Name → text of every page."""

EXCUSE = re.compile(r"<!-- not run: (\S.*) -->")
"""The line before a block that the tests leave alone, with the reason."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        page: the page that it is on.
        line: the line of its fence, from 1.
        language: what is written behind the fence; empty if nothing is.
        text: what is inside.
        excuse: why it is not run; None if it has to be.
    """

    page: str
    line: int
    language: str
    text: str
    excuse: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> list[Block]:
    """The code blocks of a page in their order, without Sphinx's directives."""
    lines = PAGES[page].splitlines()
    found: list[Block] = []
    start: int | None = None
    for index, line in enumerate(lines):
        if start is None and line.startswith("```"):
            start = index
        elif start is not None and line == "```":
            language = lines[start].removeprefix("```")
            excuse = EXCUSE.fullmatch(lines[start - 1])
            text = "\n".join(lines[start + 1 : index]) + "\n"
            if not language.startswith("{"):
                found.append(Block(page, start + 1, language, text, excuse[1] if excuse else None))
            start = None
    assert start is None, f"{page}:{start + 1}: the block does not end"
    return found


def blocks(language: str, page: str | None = None) -> list[Block]:
    """The blocks in a language that have to be run, of one page or of all."""
    pages = PAGES if page is None else (page,)
    return [each for name in pages for each in blocks_of(name) if each.language == language and each.excuse is None]


def commands(block: Block) -> list[str]:
    """The commands of a ``sh`` block, a line each."""
    return [line for line in block.text.splitlines() if line.strip() and not line.startswith("#")]
