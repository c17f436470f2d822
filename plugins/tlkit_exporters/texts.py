"""The texts inside an exported file, which may be someone else's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import tlkit

MOST_BYTES = 16_000_000
"""The largest texts that are read."""


def written(texts: Mapping[str, str]) -> bytes:
    """Return texts as a JSON object in ASCII."""
    return json.dumps(dict(texts)).encode("ascii")


def checked(content: bytes | None, path: Path, key: str | None = None) -> Mapping[str, str]:
    """Return the texts of a JSON object.

    Args:
        content: the object; None if the file has none.
        path: the file, for the message.
        key: the entry of the object that holds them; None for the object itself.

    Raises:
        DataError: there are none, or they are something else.
    """
    if content is not None and len(content) > MOST_BYTES:
        raise tlkit.DataError(f"{path}: its texts have {len(content)} bytes; expected at most {MOST_BYTES}")
    try:
        found = None if content is None else json.loads(content)
    except (ValueError, RecursionError) as error:
        raise tlkit.DataError(f"{path}: its texts are damaged") from error
    texts = found.get(key) if key is not None and isinstance(found, dict) else found
    if texts is None:
        raise tlkit.DataError(f"{path}: has no texts of tlkit inside; expected a file that tlkit export wrote")
    if not (isinstance(texts, dict) and all(isinstance(each, str) for each in texts.values())):
        raise tlkit.DataError(f"{path}: its texts are damaged")
    return texts
