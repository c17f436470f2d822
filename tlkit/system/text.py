"""Phrases that many messages share: the nearest known name, shortened lists, sizes in bytes."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence

from tlkit.system.visible import HIDDEN


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the known name closest to ``name``, ignoring case; None when no name is close."""
    by_folded = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """Return the end of a message about an unknown name.

    Args:
        name: the name that was given.
        names: the known names.
        otherwise: what to say when no known name is close, such as ``"; there are a, b"``.

    Returns:
        ``; did you mean "…"?``, or ``otherwise``.
    """
    near = nearest(name, names)
    return f'; did you mean "{near}"?' if near else otherwise


def and_more(total: int, shown: int) -> str:
    """Return `` and 3 more`` for a list of ``total`` items of which the first ``shown`` are printed, or nothing."""
    return f" and {total - shown} more" if total > shown else ""


def listed(items: Sequence[str], max_items: int = 8) -> str:
    """Join the first ``max_items`` items with commas, and say how many more there are: ``a, b and 3 more``."""
    return ", ".join(items[:max_items]) + and_more(len(items), max_items)


def shorten(text: str, length: int = 80) -> str:
    """Return a text, cut off after ``length`` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def toml_string(text: str) -> str:
    """Return a text as a string of TOML in one line, in which hidden characters are escaped."""
    return HIDDEN.sub(lambda match: f"\\U{ord(match[0]):08x}", json.dumps(text, ensure_ascii=False))


def plain_name(name: str) -> str:
    """Return a name of ASCII letters, digits, ``_``, ``.`` and ``-`` like a name, such as ``Fußgänger``: Fussganger."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip("-._") or "images"


def counted(count: float, what: str) -> str:
    """Return a number of things, such as ``1 image``, ``2,000 images``, ``2 classes`` or ``0.5 processors``."""
    plural = "" if count == 1 else "es" if what.endswith("s") else "s"
    return f"{count:{',' if isinstance(count, int) else 'g'}} {what}{plural}"


def size_text(size: float) -> str:
    """Return a number of bytes in decimal units, such as ``1.5 MB``."""
    from rich.filesize import decimal

    return decimal(round(size))


def time_text(seconds: float) -> str:
    """Return a duration as people say it, such as ``8 s``, ``12 min`` or ``3 h 20 min``."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
