"""Checksums inside the text files of a run folder that decide numbers and that a person may edit.

They find damage, not malice. A file without one is read as it is: an earlier tlkit wrote it, or a person did.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlkit.errors import RunError

_LINE = re.compile(r"^# sha256: ([0-9a-f]{64})\s*\Z", re.MULTILINE)
_ANY_LINE = re.compile(r"^# sha256: [0-9a-f]{64}\r?\n?", re.MULTILINE)
_KEY = "checksum"


def sealed_text(text: str) -> str:
    """Return a text of whole lines with their SHA-256 as a comment after them, in place of an earlier one."""
    text = _ANY_LINE.sub("", text)
    return f"{text}# sha256: {_digest(text)}\n"


def check_text(path: Path, text: str) -> None:
    """Check a text that ``sealed_text`` returned.

    Raises:
        RunError: it was changed since.
    """
    line = _LINE.search(text)
    if line is not None and line[1] != _digest(text[: line.start()].replace("\r\n", "\n")):
        raise RunError(
            f"{path}: does not fit the checksum in its last line; it was changed or damaged after tlkit wrote it. Undo "
            "that: what may change in a run is given with tlkit resume RUN --set, such as schedule.epochs=30, and "
            "anything else takes a new run. If only comments or paths were changed, remove that line"
        )


def sealed_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values with their SHA-256."""
    return {**values, _KEY: _digest(_canonical(values))}


def unsealed_values(path: Path, values: Any) -> Any:
    """Return the values without their SHA-256, which is checked if there is one.

    Raises:
        RunError: they were changed since ``sealed_values``.
    """
    if not isinstance(values, dict) or _KEY not in values:
        return values
    others = {key: value for key, value in values.items() if key != _KEY}
    if values[_KEY] != _digest(_canonical(others)):
        raise RunError(
            f'{path}: does not fit its "{_KEY}"; it was changed or damaged after tlkit wrote it. '
            f'If you changed it, remove "{_KEY}"'
        )
    return others


def _canonical(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
