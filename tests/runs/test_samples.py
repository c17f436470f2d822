"""``samples.csv``: what is written is read back, damaged files are refused, and a resumed run notices changed data."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from tlkit import DataError, RunError
from tlkit.runs.reading import MAX_SAMPLES_BYTES
from tlkit.runs.samples import COLUMNS, SampleRow, SamplesFile

HEADER = "key,path,mask,split,label,group,width,height,digest,status,reason\n"
ROWS = (
    SampleRow("a.png", "/photos/a.png", "", "train", "cat", "g1", "4", "3", "sha256:aa", "sha256:aa"),
    SampleRow("b,\n.png", "/photos/b.png", "/masks/b.png", "test", "cat|dog", "", "4", "3", "sha256:bb", "sha256:cc"),
    SampleRow("c.png", "/photos/c.png", width="4", height="3", digest="sha256:dd", status="left out"),
    SampleRow("d.png", status="set aside", reason="/photos/d.png: the file is empty"),
)


@pytest.fixture
def file(tmp_path):
    return SamplesFile(tmp_path / "samples.csv")


def test_the_columns_are_those_of_earlier_versions():
    assert ",".join(COLUMNS) == "key,path,mask,split,label,group,width,height,digest,image_digest,status,reason"


def test_used_samples_are_read_back_as_they_were_written(file):
    file.write(ROWS)
    assert file.read_used() == {row.key: row for row in ROWS[:2]}
    with file.path.open(newline="", encoding="utf-8") as text:
        assert [row["status"] for row in csv.DictReader(text)] == ["used", "used", "left out", "set aside"]


def test_a_file_of_an_older_run_or_with_a_users_own_columns_is_read(file):
    file.path.write_text("mine,key,status,split\nx,a.png,used,train\n")
    assert file.read_used() == {"a.png": SampleRow("a.png", split="train")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "expected the columns key, split, status; missing: key, split, status"),
        (HEADER + "a,,,tset,,,,,,used,\n", r"samples\.csv:2: unknown split 'tset'; did you mean \"test\""),
        (HEADER + 2 * "a,,,test,,,,,,used,\n", r"samples\.csv:3: the key 'a' appears twice"),
    ],
)
def test_a_damaged_file_is_named(file, text, message):
    file.path.write_text(text)
    with pytest.raises(DataError, match=message):
        file.read_used()


def test_a_missing_file_is_named(file):
    with pytest.raises(DataError, match=r"no such file; expected the samples\.csv of an earlier run"):
        file.read_used()


def test_what_can_not_be_a_samples_csv_is_not_read(file, tmp_path):
    with pytest.raises(DataError, match=r"not a file; expected the samples\.csv of an earlier run"):
        SamplesFile(tmp_path).read_used()
    if Path("/dev/zero").exists():
        with pytest.raises(DataError, match="/dev/zero: not a file"):
            SamplesFile(Path("/dev/zero")).read_used()
    with file.path.open("wb") as stream:
        stream.truncate(MAX_SAMPLES_BYTES + 1)
    with pytest.raises(DataError, match=r"has 10000000001 bytes; a samples\.csv has at most 10000000000"):
        file.read_used()


def test_unchanged_data_passes_wherever_it_lies(file):
    file.write(ROWS)
    file.check_unchanged(replace(row, path=f"/moved{row.path}", mask="", reason="moved") for row in ROWS)


def test_a_file_without_image_digests_is_compared_without_them(file):
    file.path.write_text(HEADER + "a.png,,,train,cat,g1,4,3,sha256:aa,used,\n")
    file.check_unchanged(ROWS[:1])


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ((ROWS[0], replace(ROWS[1], split="train"), replace(ROWS[2], digest="sha256:ee"), ROWS[3]), r"c\.png\."),
        ((ROWS[0], replace(ROWS[1], split="train"), *ROWS[2:]), r"b,\n\.png\."),
        (ROWS[:3], r"d\.png\."),
        (ROWS[::-1], r"the order of its files\."),
    ],
    ids=["bytes", "split", "missing", "order"],
)
def test_changed_data_is_refused_with_the_files_that_changed(file, rows, named):
    file.write(ROWS)
    with pytest.raises(RunError, match=rf"samples\.csv: the data has changed since the run started: {named}"):
        file.check_unchanged(rows)
