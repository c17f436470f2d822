"""``run --folds``, ``sweep`` and ``rank`` on a local Ray cluster: the results of one process, also after signals."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cats_and_dogs import TABLES, run_bytes, write_cats_and_dogs
from waiting import end_of, wait_until

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")]

SAME = (*TABLES, "model.json", "model.tflite")
SWEPT = '\n[sweep]\ntrials = 6\n{}\n"schedule.learning_rate" = {{ low = 1e-3, high = 0.3, log = true }}\n'


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spread")
    text = write_cats_and_dogs(folder, pixels=40, image_size=32).read_text(encoding="utf-8")
    for name, lines in (("random", 'sampler = "random"\npruner = "none"'), ("tpe", "round = 3")):
        (folder / f"{name}.toml").write_text(text + SWEPT.format(lines), encoding="utf-8")
    return folder


def start(root, *arguments):
    command = [sys.executable, "-m", "tlkit", *map(str, arguments)]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(root, *arguments):
    with start(root, *arguments) as process:
        said = end_of(process)
        assert process.returncode == 0, said
    return said


def folds_bytes(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {name: (folder / name).read_bytes() for name in ("folds.json", "predictions.csv")}
    return found | {each: run_bytes(folder / each, SAME) for each in ("fold-1", "fold-2")}


@pytest.fixture(scope="module")
def undisturbed(root):
    finish(root, "run", "r.toml", "--folds", 2, "--out", "here")
    return folds_bytes(root / "here")


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_the_same_command_goes_on_after_the_first_process_ended(root, undisturbed, name):
    arguments = ("run", "r.toml", "--folds", 2, "--out", name, "--cluster", "local")
    log = root / name / "fold-1.log"
    with start(root, *arguments) as process:
        wait_until(lambda: log.exists() and "epoch 1/" in log.read_text(errors="replace"), "an epoch", process)
        process.send_signal(getattr(signal, name))
        end_of(process)
    expected = {"SIGKILL": -9, "SIGINT": 130, "SIGTERM": 143}
    assert process.returncode == expected[name]
    wait_until(lambda: not of_ray(root / name), "the end of the workers")
    finish(root, *arguments)
    assert folds_bytes(root / name) == undisturbed
    assert "Traceback" not in "".join(each.read_text() for each in (root / name).glob("*.log"))


def of_ray(folder: Path) -> list[str]:
    """Return the processes of folds of a folder that are running."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in listed if str(folder.name) in line and "fold-" in line and "tlkit" in line]


def table(file: Path) -> list[dict[str, str]]:
    """Return the rows of a table of trials without what they took."""
    with file.open(encoding="utf-8", newline="") as stream:
        return [{key: row[key] for key in row if key != "seconds"} for row in csv.DictReader(stream)]


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_trials_that_run_at_the_same_time_are_those_that_run_one_after_another(root, name):
    finish(root, "sweep", f"{name}.toml", "--out", f"{name}-here")
    finish(root, "sweep", f"{name}.toml", "--out", f"{name}-there", "--cluster", "local")
    tables = [table(root / f"{name}-{place}" / "sweep.csv") for place in ("here", "there")]
    assert tables[0] == tables[1]
    assert len(tables[0]) == 6
    here, there = root / f"{name}-here", root / f"{name}-there"
    assert (here / "best.toml").read_bytes() == (there / "best.toml").read_bytes()
    for row in tables[0]:
        trial = f"trial-{int(row['trial']):03d}"
        assert (here / f"{trial}.toml").read_bytes() == (there / f"{trial}.toml").read_bytes()
        if row["state"] == "finished":
            assert run_bytes(here / trial, SAME) == run_bytes(there / trial, SAME)


def test_backbones_on_a_cluster_have_the_same_numbers(root):
    """Those with the same score are ranked by their time, which differs."""
    backbones = ["MobileNetV2:alpha=0.35,weights=none", "DenseNet121:weights=none", "MobileNet:weights=none"]
    named = [part for each in backbones for part in ("--backbones", each)]
    found = []
    for place, options in (("here", ()), ("there", ("--cluster", "local"))):
        finish(root, "rank", "r.toml", *named, "--json", f"{place}.json", "--out", f"{place}.png", *options)
        values = json.loads((root / f"{place}.json").read_text())
        for each in values["backbones"]:
            assert each.pop("seconds_per_image") > 0
        values["backbones"].sort(key=lambda each: each["backbone"])
        found.append(values)
    assert found[0] == found[1]
    assert len(found[0]["backbones"]) == 3
