"""Names of somebody else's files and classes: no verb obeys them, and no line, cell or page is forged by them."""

from __future__ import annotations

import csv
import io
import json
import os
import re

import pytest
from command_line import tlkit_command
from hostile_names import CLASSES, FORMULA, assert_harmless, write_hostile_folder

from tlkit.runs.samples import SamplesFile

CHANGES = [
    part
    for change in (
        'backbone={name="small_cnn", filters=[4], weights="none"}',
        "input.image_size=16",
        'schedule={name="full", epochs=1}',
        "input.max_bad_share=0.9",
        'augment={name="none"}',
    )
    for part in ("--set", change)
]


def harmless(*arguments, code=0):
    """Run a command, check what it prints, and return its standard output."""
    outcome = tlkit_command(*arguments)
    assert_harmless(outcome.out)
    assert_harmless(outcome.err)
    assert outcome.code == code, outcome.err
    return outcome.out


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder with class folders of hostile names, a recipe and a run of it."""
    if os.name == "nt":
        pytest.skip("Windows has no such names")
    root = tmp_path_factory.mktemp("hostile")
    photos = write_hostile_folder(root / "dir\x1b[1m\n# x")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        harmless("init", photos, "--out", "h.toml")
        harmless("run", "h.toml", *CHANGES, "--out", "run")
        yield root, photos


def test_init_writes_a_recipe_that_names_can_not_change(hostile):
    text = (hostile[0] / "h.toml").read_text(encoding="utf-8")
    assert_harmless(text)
    harmless("validate", "h.toml")


def test_the_log_has_no_forged_line(hostile):
    log = (hostile[0] / "run" / "events.log").read_text(encoding="utf-8")
    assert_harmless(log)
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+Z [A-Z]+ | ", line) for line in log.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "h.toml", "--set", "input.max_bad_share=0.9"],
        ["evaluate", "run"],
        ["predict", "run", "PHOTOS"],
        ["predict", "run", "PHOTOS", "--top", "2"],
        ["report", "run"],
        ["compare", "run", "run"],
        ["inspect", "run", "--overwrite"],
        ["augment", "h.toml", *CHANGES],
    ],
    ids=lambda each: " ".join(each[:1] + each[3:4]),
)
def test_verbs_print_names_as_text(arguments, hostile):
    harmless(*(hostile[1] if each == "PHOTOS" else each for each in arguments))


def test_json_keeps_the_names(hostile):
    out = harmless("predict", "run", hostile[1], "--json")
    assert out.isascii()
    assert sorted(json.loads(out)["classes"]) == sorted(CLASSES)


def test_tables_have_no_formula_and_are_read_back(hostile):
    root, photos = hostile
    harmless("predict", "run", photos, "--out", "p.csv", "--overwrite")
    harmless("predict", "run", "p.csv")
    tables = [root / "p.csv", *(root / "run").glob("*.csv")]
    for table in tables:
        rows = list(csv.reader(io.StringIO(table.read_text(encoding="utf-8"), newline="")))
        assert not [each for row in rows for each in row if each[:1] in ("=", "@", "+", "\t", "\r")], table
    used = SamplesFile(root / "run" / "samples.csv").read_used()
    assert {row.label for row in used.values()} == set(CLASSES)
    assert any(key.startswith(FORMULA) for key in used)


def test_the_report_has_the_names_as_text_only(hostile):
    page = (hostile[0] / "run" / "report.html").read_text(encoding="utf-8")
    assert "$<b>" not in page
    assert "$&lt;b&gt;" in page
    assert not re.search("[\x1b\x9b\u202e\u200b]", page)


@pytest.mark.parametrize(
    "arguments",
    [
        ["no\x1b[31m\nError: forged"],
        ["run", "no\x1b]0;x\x07\nError: forged.toml"],
        ["run", "h.toml", "--set", "a\x1b[1m\nError: forged=2"],
        ["validate", "h.toml", "--set", "head.\u202e=2"],
        ["plugins", "show", "head", "x\x1b[2J\nError: forged"],
        ["plugins", "show", "x\x9b2J", "y"],
        ["check", "nope\x1b]0;x\x07\nError: forged"],
        ["evaluate", "run", "--split", "\x1b[31m\nError: forged"],
        ["predict", "run\x1b[31m\nError: forged", "x"],
        ["compare", "x\nError: forged\r"],
    ],
    ids=lambda each: each[0].partition("\x1b")[0],
)
def test_errors_print_what_was_given_as_text(arguments, hostile):
    outcome = tlkit_command(*arguments)
    assert_harmless(outcome.err)
    assert outcome.code in (1, 2)


@pytest.mark.parametrize("verb", ["run", "validate", "check", "init", "evaluate", "report", "inspect", "lr", "augment"])
def test_a_name_that_no_file_can_have_is_an_error(verb):
    outcome = tlkit_command(verb, "x" * 5000)
    assert outcome.code in (1, 2)
    assert len(outcome.err) < 1000
