"""Folders without write permission: commands name them and change nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Outcome

from tlkit.runs.disk_errors import explain_disk_errors
from tlkit.system.disk import FullDiskError, write_atomically

Ended = subprocess.CompletedProcess[str]


SEVERAL = """\
import dataclasses, json, sys
from command_line import tlkit_command
print(json.dumps([dataclasses.asdict(tlkit_command(*arguments)) for arguments in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="session")
def unprivileged() -> list[str]:
    """The start of a command line that makes permissions apply, which they don't for root."""
    if os.name != "posix":
        pytest.skip("permissions of folders are tested on POSIX only")
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("permissions don't apply to root, and there is no setpriv to drop its capabilities")
        return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    return []


@pytest.fixture(scope="session")
def command(unprivileged: list[str]) -> Callable[..., Ended]:
    """Run a command line with permissions that apply."""

    def run(*arguments: object, folder: Path | None = None) -> Ended:
        whole = [*unprivileged, sys.executable, "-m", "tlkit", *map(str, arguments)]
        return subprocess.run(whole, capture_output=True, text=True, check=False, cwd=folder)

    return run


@pytest.fixture(scope="session")
def commands(unprivileged: list[str]) -> Callable[[list[list[object]]], list[Outcome]]:
    """Run several command lines in one process, with permissions that apply."""

    def run(lines: list[list[object]]) -> list[Outcome]:
        whole = [*unprivileged, sys.executable, "-c", SEVERAL, json.dumps(lines, default=str)]
        ended = subprocess.run(whole, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
        return [Outcome(**each) for each in json.loads(ended.stdout)]

    return run


@pytest.fixture
def recipe(write_recipe: Callable[..., Path]) -> Path:
    sizes = {"image_size": 16, "batch_size": 128, "test": 0.1}
    return write_recipe("small.toml", name="small", input=sizes, schedule={"epochs": 1})


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder without write permission."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


def assert_refused(code: int, err: str, folder: Path) -> None:
    assert code in (1, 2), err
    assert "Permission denied" in err
    assert str(folder) in err
    assert "Traceback" not in err


def test_a_run_folder_that_can_not_be_created_is_named(command, recipe, closed):
    for out in (closed / "run", closed):
        ended = command("run", recipe, "--out", out)
        assert_refused(ended.returncode, ended.stderr, closed)
    ended = command("run", recipe, folder=closed)
    assert_refused(ended.returncode, ended.stderr, Path("runs"))
    assert list(closed.iterdir()) == []


def test_unwritable_files_are_named_and_a_read_only_run_can_be_used(commands, recipe, closed, tmp_path, class_folders):
    run = tmp_path / "run"
    photos = class_folders({"cat": 3, "dog": 3})
    photo = photos / "cat" / "000.png"
    (started,) = commands([["run", recipe, "--out", run]])
    assert started.code == 0, started.err
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and file.name != "events.log"}
    run.chmod(0o555)
    try:
        resumed, predicted, evaluated = commands(
            [
                ["resume", run, "--set", "schedule.epochs=2"],
                ["predict", run, photo, "--out", tmp_path / "found.csv"],
                ["evaluate", run],
            ]
        )
    finally:
        run.chmod(0o755)
    assert_refused(resumed.code, resumed.err, run)
    assert (predicted.code, evaluated.code) == (0, 0)
    assert {file: file.read_bytes() for file in before} == before
    *refused, resumed = commands(
        [
            ["predict", run, photo, "--out", closed / "found.csv"],
            ["evaluate", run, "--out", closed / "metrics.json"],
            ["inspect", run, "--out", closed / "inspect"],
            ["compare", run, run, "--out", closed / "compare.png"],
            ["augment", recipe, "--out", closed / "augment.png"],
            ["check", recipe, "--json", closed / "check.json"],
            ["check", recipe, "--html", closed / "check.html"],
            ["lr", recipe, "--out", closed / "lr.png"],
            ["init", photos, "--out", closed / "recipe.toml"],
            ["recipes", "cp", "pets_seg", closed / "recipe.toml"],
            ["resume", run, "--set", "schedule.epochs=2"],
        ]
    )
    for outcome in refused:
        assert_refused(outcome.code, outcome.err, closed)
    assert resumed.code == 0, resumed.err


@pytest.mark.parametrize(("started", "command"), [(True, "tlkit resume"), (False, "tlkit run")])
def test_a_full_disk_is_reported_with_the_file_the_missing_bytes_and_the_command(
    tmp_path, monkeypatch, started, command
):
    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    if started:
        (tmp_path / "recipe.toml").touch()
    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(8000, 4000, 4000))
    message = rf"table\.csv: .* needs 12\.3 kB, 4\.0 kB are free, 8\.3 kB are missing\..* {command} .*{tmp_path.name}"
    with pytest.raises(FullDiskError, match=message), explain_disk_errors(tmp_path):
        write_atomically(tmp_path / "table.csv", bytes(12_300))
    assert not list(tmp_path.glob("*table.csv*"))
