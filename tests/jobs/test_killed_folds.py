"""A cross-validation whose process is killed: its folds save and end, and the same command ends with the same bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cats_and_dogs import run_bytes, write_cats_and_dogs
from waiting import end_of, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a recipe for 24 small images."""
    folder = tmp_path_factory.mktemp("killed")
    write_cats_and_dogs(folder)
    return folder


def start(root, out, *options):
    command = [sys.executable, "-m", "tlkit", "run", "r.toml", "--folds", "2", "--out", out, *options]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(root, out, *options):
    with start(root, out, *options) as process:
        said = end_of(process).decode()
    assert process.returncode == 0, said
    return said


def results(folder):
    """Return what must not depend on interruptions."""
    whole = {name: (folder / name).read_bytes() for name in ("folds.json", "predictions.csv")}
    return [whole, *(run_bytes(folder / f"fold-{number}") for number in (1, 2))]


@pytest.fixture(scope="module")
def undisturbed(root):
    finish(root, "whole")
    return results(root / "whole")


def reached(folder: Path, moment: str) -> bool:
    log = folder / "fold-1.log"
    return {
        "the children import": log.exists,
        "the first epoch is over": lambda: log.exists() and "epoch 1/" in log.read_text(errors="replace"),
        "the first fold is evaluated": (folder / "fold-1" / "model.keras").exists,
        "the first fold is over": (folder / "fold-1" / "report.html").exists,
        "the results are written": (folder / "folds.json").exists,
    }[moment]()


def interrupt(root, out, moment, number, *options):
    """Start a cross-validation and send it a signal at a moment; return its exit code and what it said."""
    with start(root, out, *options) as process:
        wait_until(lambda: reached(root / out, moment), moment, process)
        process.send_signal(number)
        said = end_of(process).decode()
    return process.returncode, said


@pytest.mark.parametrize(
    "moments",
    [
        ["the first epoch is over"],
        pytest.param(["the children import", "the first fold is over"], marks=pytest.mark.slow),
        pytest.param(["the first fold is evaluated", "the results are written"], marks=pytest.mark.slow),
    ],
    ids=", ".join,
)
def test_killed_and_started_again_it_ends_with_the_same_bytes(root, undisturbed, moments):
    out = "-".join(moments).replace(" ", "_")
    for moment in moments:
        interrupt(root, out, moment, signal.SIGKILL, "--jobs", "2")
    finish(root, out, "--jobs", "2")
    assert results(root / out) == undisturbed
    logs = "".join(file.read_text(errors="replace") for file in (root / out).glob("fold-*.log"))
    assert "Traceback" not in logs


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_saves_all_folds_and_says_how_to_continue(root, undisturbed, name):
    number = getattr(signal, name)
    code, said = interrupt(root, name, "the first epoch is over", number, "--jobs", "2")
    assert code == 128 + number
    assert f"To continue: the same command with --out {name}" in said
    assert "Traceback" not in said
    finish(root, name)
    assert results(root / name) == undisturbed
