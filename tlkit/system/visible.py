"""Show characters that a terminal would obey or hide: names of files and classes may be somebody else's."""

from __future__ import annotations

import re

HIDDEN = re.compile(
    "["
    "\x00-\x09\x0b-\x1f\x7f-\x9f"  # control characters, of which the newline is left to the functions below
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff"
    "\U000e0000-\U000e007f"
    "]"
)
"""Control characters, those without a picture, those that reorder text, and halves of surrogate pairs."""
_JOINERS = "\u200c\u200d"
"""They shape Persian and Indic words and join emoji; between Latin letters they only hide."""
_TAGGED_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
_LATIN = 0x0300
MAX_LINE = 10_000
"""Number of characters of the longest line of a message."""


def visible(text: str) -> str:
    r"""Return a text in which hidden characters are written as in Python: ``\x1b``, ``\u202e``.

    Newlines stay. Letters of all scripts, marks on them and emoji stay as they are, also those that need a joiner.
    """
    if HIDDEN.search(text) is None:
        return text
    kept = {place for match in _TAGGED_FLAG.finditer(text) for place in range(*match.span())}

    def shown(match: re.Match[str]) -> str:
        place = match.start()
        if place in kept or (match[0] in _JOINERS and _joins(text, place)):
            return match[0]
        return match[0].encode("unicode_escape").decode("ascii")

    return HIDDEN.sub(shown, text)


def _joins(text: str, place: int) -> bool:
    """Return whether the joiner at a place stands between characters of a script that uses joiners."""
    around = (text[place - 1 : place], text[place + 1 : place + 2])
    return all(each and ord(each) >= _LATIN and HIDDEN.match(each) is None for each in around)


def visible_line(text: str) -> str:
    r"""Return a name or another text of one line as ``visible`` does, its newlines as ``\n``."""
    return visible(text).replace("\n", "\\n")


def visible_message(text: str) -> str:
    """Return a message as ``visible`` does; lines after its first are indented, so that none passes for another one.

    A name with a newline in it would otherwise write a line that looks like one of tlkit's own. A line that is longer
    than any that tlkit writes loses its middle.
    """
    first, *more = map(_shortened, visible(text).split("\n"))
    return "\n".join([first, *(each if each[:1] in ("", " ") else f"  {each}" for each in more)])


def _shortened(line: str) -> str:
    if len(line) <= MAX_LINE:
        return line
    half = MAX_LINE // 2
    return f"{line[:half]} … {len(line) - 2 * half} more characters … {line[-half:]}"
