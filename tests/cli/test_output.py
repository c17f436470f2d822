"""An output that can't be written is told as such by every verb, and ends no work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from command_line import tlkit_command

from tlkit.cli import cli

DRIVER = Path(__file__).with_name("output_driver.py")


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield all verbs, those below groups included."""
    context = click.Context(cli)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))


VERBS = list(verbs(cli))
HELP = [["--help"], ["--version"], *[[*each, "--help"] for each in VERBS]]
PRINTING = [
    ["plugins"],
    ["plugins", "--json"],
    ["plugins", "show", "head", "unet"],
    ["recipes", "ls"],
    ["recipes", "cat", "quickstart"],
    ["recipes", "schema"],
    ["validate", "quickstart"],
    ["cache", "ls"],
    ["cache", "limit"],
    ["cache", "clear"],
]
"""Commands that print something without data or a run."""


def drive(kind, commands, **environment):
    """Run commands in one process, and return the exit code and the other stream's text of each."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        done = subprocess.run(
            [sys.executable, DRIVER, kind, json.dumps(commands), results],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        text = results.read_text(encoding="utf-8")
    assert "Exception ignored" not in done.stderr
    return json.loads(text)


def test_a_full_standard_output_is_told_by_every_verb():
    for command, (code, err) in zip(HELP + PRINTING, drive("full", HELP + PRINTING), strict=True):
        assert code == 74, (command, err)
        message = "Error: the standard output can't be written: No space left on device"
        assert err.startswith(message), command
        assert len(err.splitlines()) == 1, (command, err)


def test_a_reader_that_went_away_ends_every_verb_quietly():
    for command, (code, err) in zip(HELP + PRINTING, drive("pipe", HELP + PRINTING), strict=True):
        assert (code, err) == (141, ""), command


def test_a_full_standard_error_hides_no_result():
    bad = [["run", "no-such-recipe"], ["nonsense"]]
    results = drive("errors", [*PRINTING, *bad])
    assert all(code == 0 and out for code, out in results[: len(PRINTING) - 1])
    # The messages are lost, so the exit code alone tells.
    assert [code for code, _ in results[-2:]] == [2, 2]


def test_a_folder_that_is_gone_is_told_by_every_verb():
    commands = [[*each, "x", "y"] for each in VERBS]
    for command, (code, err) in zip(commands, drive("gone", commands), strict=True):
        assert code == 2, command
        assert err.startswith("Error: the current folder can't be used: "), command
        assert len(err.splitlines()) == 1, (command, err)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_every_verb_prints_in_every_encoding(encoding):
    commands = HELP + PRINTING
    results = drive("plain", commands, PYTHONIOENCODING=encoding, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    for command, (code, text) in zip(commands, results, strict=True):
        assert code == 0, (command, text)
        assert text, command


def shell(line, **settings):
    tlkit = f'"{sys.executable}" -m tlkit'
    return subprocess.run(
        ["bash", "-c", line.replace("tlkit", tlkit, 1)], capture_output=True, text=True, check=False, **settings
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_count_as_the_null_device(closed):
    done = shell(f"tlkit plugins {closed}")
    assert done.returncode == 0
    assert done.stderr == ""
    assert bool(done.stdout) == (">&-" not in closed.replace("2>&-", ""))


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_python_itself_adds_no_complaint_at_its_exit(unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    for line, code in (("tlkit plugins >/dev/full", 74), ("set -o pipefail; tlkit plugins | true", 141)):
        done = shell(line, env=environment)
        assert done.returncode == code
        assert len(done.stderr.splitlines()) == (1 if code == 74 else 0)


def test_a_completion_script_that_can_not_be_written_is_told():
    done = shell("_TLKIT_COMPLETE=bash_source tlkit >/dev/full", env=dict(os.environ))
    assert done.returncode in (0, 74)
    assert "Traceback" not in done.stderr


def test_a_run_without_an_output_trains_to_its_end(write_recipe, tmp_path):
    recipe = write_recipe(
        backbone={"name": "small_cnn", "filters": [4], "weights": "none"},
        input={"image_size": 8},
        schedule={"epochs": 1},
    )
    done = shell(f"tlkit run {recipe} --out {tmp_path / 'run'} >/dev/full")
    assert done.returncode == 74, done.stderr
    assert "Error: the standard output can't be written" in done.stderr
    assert "run folder" not in done.stderr
    assert (tmp_path / "run" / "model.keras").is_file()
    assert "Done in" in (tmp_path / "run" / "events.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999", "9" * 5000])
@pytest.mark.parametrize("command", [["lr", "quickstart", "--from"], ["lr", "quickstart", "--to"], ["cache", "limit"]])
def test_an_option_takes_finite_numbers_only(command, number):
    outcome = tlkit_command(*command, number)
    assert outcome.code == 2
    assert "Error: Invalid value" in outcome.err or "No such option" in outcome.err


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, "1e3", "nan"])
@pytest.mark.parametrize(
    "command",
    [
        ["predict", "x", "y", "--batch-size"],
        ["evaluate", "x", "--batch-size"],
        ["lr", "quickstart", "--steps"],
        ["augment", "quickstart", "--images"],
    ],
)
def test_an_option_takes_whole_numbers_in_a_range_only(command, number):
    outcome = tlkit_command(*command, number)
    assert outcome.code == 2
    assert "Error: Invalid value" in outcome.err
