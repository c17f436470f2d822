"""``tlkit cluster check`` on two machines that share one folder alone, and what it says where they don't fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from evaluate_fakes import make_card
from lite_runs import saved_run
from photos import write_photos
from two_machines import FIRST, SECOND, TwoMachines, two_machines

import tlkit
from tlkit.cli import cli

pytest.importorskip("ray")
pytestmark = pytest.mark.slow


def checked(machines: TwoMachines, folder: Path) -> tuple[int, dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Check the cluster; return the exit code, what → findings, and the whole report."""
    ended = machines.tlkit("cluster", "check", machines.address, "--folder", folder, "--seconds", 400, "--json")
    report = json.loads(ended.stdout)
    found: dict[str, list[dict[str, Any]]] = {}
    for each in report["findings"]:
        found.setdefault(each["what"], []).append(each)
    return ended.returncode, found, report


def test_machines_that_fit_pass(tmp_path: Path) -> None:
    with two_machines() as machines:
        code, found, report = checked(machines, tmp_path)
    assert [each for each in report["findings"] if each["level"] == "error"] == []
    assert (code, report["ok"]) == (0, True)
    assert [each["node"].partition("(")[2] for each in report["nodes"]] == [f"{FIRST})", f"{SECOND})"]
    for what in ("versions", "clocks", "ports", "shared folder", "locks", "all-reduce"):
        assert [each["level"] for each in found[what]] == ["ok"], what
    assert list(tmp_path.iterdir()) == []


def test_machines_that_do_not_fit_are_named(tmp_path: Path) -> None:
    """The second machine has another tlkit, and at the same paths another folder, a full one and a read-only one."""
    folders = {name: tmp_path / name for name in ("other", "full", "fixed")}
    for folder in folders.values():
        folder.mkdir()
    old = tmp_path / "old"
    old.mkdir()
    (old / "__init__.py").write_text('__version__ = "0.1.0"\n')
    own = Path(tlkit.__file__).parent
    mounts = (
        f"mount -t tmpfs tmpfs {folders['other']}",
        f"mount -t tmpfs -o size=1m tmpfs {folders['full']}",
        f"dd if=/dev/zero of={folders['full']}/all bs=1M count=1 status=none",
        f"mount --bind {folders['fixed']} {folders['fixed']}",
        f"mount -o remount,ro,bind {folders['fixed']}",
        f"mount --bind {old} {own}",
    )
    with two_machines(" && ".join(mounts)) as machines:
        seen = {name: checked(machines, folder) for name, folder in folders.items()}
    for name, (code, found, _) in seen.items():
        assert code == 1, name
        assert "0.1.0 on " in found["version of tlkit"][0]["text"]
        assert SECOND in found["version of tlkit"][0]["text"]
    [lost] = seen["other"][1]["shared folder"]
    assert lost["level"] == "error"
    assert "is not seen on " in lost["text"].partition(SECOND)[0]
    full = " ".join(each["text"] for each in seen["full"][1]["folder"])
    assert "No space left on device" in full
    assert seen["full"][1]["room"][0]["level"] == "error"
    fixed = " ".join(each["text"] for each in seen["fixed"][1]["folder"])
    assert "Read-only file system" in fixed


def test_prediction_on_two_machines_has_the_bytes_of_one_process(tmp_path: Path) -> None:
    """They have one folder in common, and each a cache and a home of its own."""
    common, own = tmp_path / "common", tmp_path / "own"
    own.mkdir()
    run = saved_run(common / "run", make_card()).path
    photos = common / "photos"
    write_photos(photos, {"red": 150, "blue": 150}, (30, 40))
    (photos / "red" / "broken.png").write_bytes(b"\x89PNG and no more")
    alone, spread = common / "alone.csv", common / "spread.csv"
    assert CliRunner().invoke(cli, ["predict", str(run), str(photos), "--out", str(alone)]).exit_code == 0
    with two_machines(f"mount -t tmpfs tmpfs {own} && export HOME={own} TLKIT_CACHE={own}/cache") as machines:
        command = ("predict", run, photos, "--out", spread, "--cluster", machines.address)
        ended = machines.tlkit(*command)
        assert ended.returncode == 0, ended.stderr
        hidden = machines.tlkit("predict", run, _moved(photos, own), "--cluster", machines.address)
    assert spread.read_bytes() == alone.read_bytes()
    assert alone.read_text().count("\n") == 301
    assert hidden.returncode == 2
    assert "has no such file; expected the images at the same path on each machine" in hidden.stderr.replace("\n", " ")


def _moved(photos: Path, folder: Path) -> Path:
    """Move photos to a folder that the second machine does not see."""
    return photos.rename(folder / photos.name)
