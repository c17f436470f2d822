"""What ``exports.json`` says about the files that a model was exported to, for the report and the model card."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tlkit.report.html_page import render_page
from tlkit.runs.exports import Export, read_exports
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
    "of the Keras model",
    "of the file",
    "ms an image, Keras model",
    "ms an image, file",
    "precision",
    "runtime",
)
"""The columns of the table of exports; those from ``size`` to ``ms an image, file`` hold numbers."""


@dataclass(frozen=True)
class ExportRow:
    """A file that a model was exported to, as a table shows it.

    Args:
        format: the name of the format and of the quantization.
        name: the name of the format alone.
        input: the type of the images that it takes.
        passed: whether its answers are those of the Keras model.
        reason: why it was refused.
        cells: the texts of ``COLUMNS``.
        file: where it is, relative to the run folder or absolute; empty if it was refused.
    """

    format: str
    name: str
    input: str
    passed: bool
    reason: str
    cells: tuple[str, ...]
    file: str


def export_rows(folder: RunFolder) -> list[ExportRow]:
    """Return the exports of a run: the newest of each format, quantization and input; empty if there are none.

    Raises:
        RunError: ``exports.json`` is damaged.
    """
    return [_row(each) for each in read_exports(folder)[:_MOST]]


def _row(each: Export) -> ExportRow:
    form = " ".join(part for part in (each.format, each.quantize or "", f"({each.input})") if part)
    file = each.file if each.passed else ""
    cells = (
        form,
        "passed" if each.passed else f"refused: {each.reason}",
        file or "–",
        size_text(each.bytes) if each.bytes else "–",
        f"{each.images} {each.split}".strip() if each.images else "–",
        _number(each.largest_difference, ".1e"),
        _number(each.agreement, ".2%").replace("%", " %"),
        each.metric.replace("_", " ") or "–",
        _number(each.metric_keras, ".4f"),
        _number(each.metric_file, ".4f"),
        _number(each.ms_keras, ".1f"),
        _number(each.ms_file, ".1f"),
        each.precision or "–",
        each.runtime or "–",
    )
    return ExportRow(form, each.format, each.input, each.passed, each.reason, cells, file)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


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
