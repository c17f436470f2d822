"""What ``exports.json`` says about the files that a model was exported to, for the report and the model card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlkit.errors import RunError
from tlkit.report.html_page import render_page
from tlkit.runs.folder import RunFolder
from tlkit.runs.reading import read_run_file
from tlkit.system.disk import write_atomically
from tlkit.system.text import size_text

_MOST = 200
"""Rows that are shown."""
_MARKED = re.compile(r"<!-- exports -->.*?<!-- /exports -->", re.DOTALL)
"""The part of a report that is about exports; the same comment in a name would be escaped."""

COLUMNS = (
    "format",
    "result",
    "file",
    "size",
    "images",
    "largest difference",
    "agreement",
    "metric",
    "Keras",
    "file's",
    "ms an image, Keras",
    "file's ms",
    "precision",
    "runtime",
)
"""The columns of the table of exports; those from ``size`` to ``file's ms`` hold numbers."""


@dataclass(frozen=True)
class ExportRow:
    """A file that a model was exported to, as a table shows it.

    Args:
        format: the name of the format and of the quantization.
        name: the name of the format alone.
        passed: whether its answers are those of the Keras model.
        reason: why it was refused.
        cells: the texts of ``COLUMNS``.
        file: where it is, relative to the run folder or absolute; empty if it was refused.
    """

    format: str
    name: str
    passed: bool
    reason: str
    cells: tuple[str, ...]
    file: str


def export_rows(folder: RunFolder) -> list[ExportRow]:
    """Return the exports of a run: the newest of each format, quantization and input; empty if there are none.

    Raises:
        RunError: ``exports.json`` is damaged.
    """
    path = folder.path / "exports.json"
    if not path.is_file():
        return []
    content = folder.read_json(path)
    exports = content.get("exports") if isinstance(content, dict) else None
    if not isinstance(exports, list) or not all(isinstance(each, dict) for each in exports):
        raise RunError(f"{path}: expected a table with a list of exports; the file is damaged; remove it")
    newest = {tuple(str(each.get(key)) for key in ("format", "quantize", "input")): each for each in exports}
    return [_row(each) for each in list(newest.values())[:_MOST]]


def _row(each: Mapping[str, Any]) -> ExportRow:
    name, quantize = _text(each, "format"), _text(each, "quantize")
    passed, reason = each.get("passed") is True, _text(each, "reason")
    form = " ".join(part for part in (name, quantize, f"({_text(each, 'input')})") if part != "()" and part)
    file = _text(each, "file") if passed else ""
    size = each.get("bytes")
    images = " ".join(part for part in (_number(each, "images", "d"), _text(each, "split")) if part != "–")
    cells = (
        form,
        "passed" if passed else f"refused: {reason}",
        file or "–",
        size_text(size) if isinstance(size, int | float) and not isinstance(size, bool) else "–",
        images or "–",
        _number(each, "largest_difference", ".1e"),
        _number(each, "agreement", ".2f", 100) + " %",
        _text(each, "metric").replace("_", " ") or "–",
        _number(each, "metric_keras", ".4f"),
        _number(each, "metric_file", ".4f"),
        _number(each, "ms_keras", ".1f"),
        _number(each, "ms_file", ".1f"),
        _text(each, "precision") or "–",
        _text(each, "runtime") or "–",
    )
    return ExportRow(form, name, passed, reason, tuple("–" if cell == "– %" else cell for cell in cells), file)


def _text(each: Mapping[str, Any], key: str) -> str:
    value = each.get(key)
    return value if isinstance(value, str) else ""


def _number(each: Mapping[str, Any], key: str, form: str, scale: float = 1) -> str:
    value = each.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    return format(int(value) if form == "d" else value * scale, form)


def update_report(folder: RunFolder) -> bool:
    """Put the table of exports into the ``report.html`` of a run, and return whether it has a place for it.

    Nothing else on the page changes. Reports of tlkit 0.2.0 and before have no place; ``tlkit report`` gives them one.

    Raises:
        RunError: a file is damaged or too large.
    """
    if not folder.report.is_file():
        return False
    page = read_run_file(folder.report).decode("utf-8", "replace")
    part = render_page("exports.html.j2", exports=export_rows(folder), columns=COLUMNS)
    changed, count = _MARKED.subn(lambda _match: part.strip(), page, count=1)
    if count:
        write_atomically(folder.report, changed)
    return bool(count)
