"""The table of exported files in a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_reports import made_classification

from tlkit.report.exports_part import export_rows, update_report
from tlkit.runs.folder import RunFolder

ROWS = [
    {"format": "onnx", "input": "uint8", "file": "exports/<b>.onnx", "passed": True, "agreement": 1.0, "bytes": 1000},
    {"format": "onnx", "quantize": "int8", "input": "uint8", "passed": False, "reason": "<!-- /exports --> 91.2 %"},
]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return made_classification(tmp_path / "run", ["a", "b"], images=40)


def test_a_report_without_exports_has_no_table_but_a_place_for_it(run):
    page = run.report.read_text(encoding="utf-8")
    assert '<section id="exports">' not in page
    run.write_json(run.path / "exports.json", {"exports": ROWS})
    assert update_report(run)
    changed = run.report.read_text(encoding="utf-8")
    assert changed.count('<section id="exports">') == 1
    assert "refused: &lt;" in changed
    assert "<b>" not in changed.partition('<section id="exports">')[2].partition("</section>")[0]
    before, after = page.split("<!-- exports -->")[0], page.split("<!-- /exports -->")[-1]
    assert changed.startswith(before)
    assert changed.endswith(after)


def test_a_report_is_updated_again_and_again(run):
    for count in (2, 1, 2):
        run.write_json(run.path / "exports.json", {"exports": ROWS[:count]})
        assert update_report(run)
        assert run.report.read_text(encoding="utf-8").count("refused:") == count - 1


def test_a_report_of_an_earlier_tlkit_has_no_place(run):
    run.report.write_text("<html></html>")
    assert not update_report(run)
    assert run.report.read_text() == "<html></html>"


def test_the_newest_row_of_a_format_quantization_and_input_counts(run):
    run.write_json(run.path / "exports.json", {"exports": [*ROWS, {**ROWS[1], "passed": True, "file": "x.onnx"}]})
    assert [(row.format, row.passed) for row in export_rows(run)] == [
        ("onnx (uint8)", True),
        ("onnx int8 (uint8)", True),
    ]
    assert json.loads((run.path / "exports.json").read_text())["exports"][1]["passed"] is False
