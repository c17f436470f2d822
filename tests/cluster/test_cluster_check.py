"""``tlkit cluster check``: what its findings say, and a check of this machine by a real Ray."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from command_line import tlkit_command

from tlkit.cluster.findings import judge_clocks, judge_machine, judge_reduce, judge_room, judge_versions
from tlkit.cluster.probes import Prober, versions

OWN = {"Python": "3.12.1", "tlkit": "0.2.0", "code of tlkit": "abc", "numpy": "2.3.0", "ray": "2.60.0"}


def levels(findings: Any) -> list[tuple[str, str]]:
    return [(each.level, each.what) for each in findings]


def test_the_same_versions_are_one_line() -> None:
    [found] = judge_versions(OWN, {"a": dict(OWN), "b": dict(OWN)})
    assert found.level == "ok"
    assert "Python 3.12.1, tlkit 0.2.0" in found.text


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({"tlkit": "0.1.0"}, "error"),
        ({"code of tlkit": "xyz"}, "error"),
        ({"ray": ""}, "error"),
        ({"numpy": ""}, "error"),
        ({"numpy": "2.2.0"}, "warning"),
        ({"Python": "3.12.4"}, "warning"),
        ({"Python": "3.11.1"}, "error"),
    ],
)
def test_another_version_names_the_node_and_both_versions(change: dict[str, str], level: str) -> None:
    [found] = judge_versions(OWN, {"a": dict(OWN), "b": {**OWN, **change}})
    [(name, version)] = change.items()
    assert (found.level, found.what) == (level, f"version of {name}")
    assert found.text == f"{version or 'not installed'} on b, {OWN[name]} here"
    assert found.remedy


def test_a_clock_that_is_off_is_named_unless_that_is_uncertain() -> None:
    assert levels(judge_clocks({"a": (0.2, 0.01), "b": (1.4, 0.5)})) == [("ok", "clocks")]
    [warning, error] = judge_clocks({"a": (-3.0, 0.01), "b": (60.0, 0.01)})
    assert (warning.level, error.level) == ("warning", "error")
    assert warning.text == "a is 3.0 s behind (± 0.010 s)"


def test_small_machines_and_full_disks_are_named() -> None:
    facts = {"processors": 1, "free_memory": 1e9, "free_tmp": 1e12, "free_cache": 1e6}
    assert levels(judge_machine("a", facts, 2.0)) == [
        ("error", "processors"),
        ("warning", "memory"),
        ("warning", "room for the cache"),
    ]
    rooms = {"a": (10**6, ""), "b": (10**9, ""), "c": (0, "there is no such folder")}
    assert levels(judge_room(rooms, "/runs")) == [("error", "room"), ("warning", "room"), ("error", "folder")]


@pytest.mark.parametrize(
    ("lines", "late", "level", "text"),
    [
        (["imported 3", "joined", "reduced 2 0.01 4000000"], False, "ok", "2 workers summed 4.0 MB in 10 ms, 400 MB/s"),
        (["imported 3", "joined", "reduced 2 1.00 4000000"], False, "warning", "4 MB/s"),
        (["imported 3", "joined", "reduced 1 0.01 4000000"], False, "error", "the sum of 2 ones was 1"),
        (["imported 3"], True, "error", "the workers did not find each other within 30 s"),
        ([], False, "error", "TensorFlow was not imported (no module)"),
        ([], True, "warning", "not measured"),
    ],
)
def test_a_sum_that_stopped_says_where(lines: list[str], late: bool, level: str, text: str) -> None:
    result = {"lines": lines, "late": late, "errors": "" if lines or late else "no module"}
    [found] = judge_reduce({"a": result, "b": result}, 30)
    assert found.level == level
    assert text in found.text


def test_a_sum_that_had_no_time_is_no_error() -> None:
    slow, slower = ({"lines": lines, "late": True, "errors": ""} for lines in (["imported 3"], []))
    for results, seconds in (({"a": slow, "b": slower}, 60), ({"a": slow, "b": slow}, 4)):
        [found] = judge_reduce(results, seconds)
        assert found.level == "warning"
        assert found.text.startswith(f"not measured in the {seconds} s that were left")


def test_a_lock_is_refused_while_another_holds_it(tmp_path: Path) -> None:
    first, second = Prober(), Prober()
    assert first.lock(str(tmp_path), "x") == "locked"
    assert second.lock(str(tmp_path), "x") == "busy"
    first.unlock()
    assert second.lock(str(tmp_path), "x") == "locked"
    second.unlock()
    assert first.lock(str(tmp_path / "none"), "x") == os.strerror(errno.ENOENT)


def test_a_token_is_seen_whole_or_its_absence_is_explained(tmp_path: Path) -> None:
    prober = Prober()
    assert prober.wait_for_token(str(tmp_path), "x", "abc", 0)[1] == "it is not there"
    assert prober.write_token(str(tmp_path), "x", "abc") == ""
    assert prober.wait_for_token(str(tmp_path), "x", "abc", 0)[1] == ""
    assert prober.wait_for_token(str(tmp_path), "x", "xyz", 0)[1] == "it has other content"
    assert prober.write_token(str(tmp_path / "none"), "x", "abc") == os.strerror(errno.ENOENT)
    prober.remove_token(str(tmp_path), "x")
    assert list(tmp_path.iterdir()) == []


def test_versions_are_those_of_this_process() -> None:
    import tlkit

    assert versions()["tlkit"] == tlkit.__version__
    assert len(versions()["code of tlkit"]) == 12


@pytest.mark.slow
def test_this_machine_is_checked_by_a_real_ray(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    ended = tlkit_command("cluster", "check", "local", "--folder", tmp_path, "--seconds", 40, "--json")
    report = json.loads(ended.out)
    assert ended.code == 0, report["findings"]
    found = {each["what"]: each["level"] for each in report["findings"]}
    for what in ("versions", "clocks", "shared folder", "locks"):
        assert found[what] == "ok", report["findings"]
    assert "all-reduce" in found
    assert len(report["nodes"]) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_that_is_missing_fails_the_check(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    missing = tlkit_command("cluster", "check", "local", "--folder", tmp_path / "none", "--seconds", 300)
    assert missing.code == 1
    assert f"error    folder: {tmp_path / 'none'} on this machine: there is no such folder" in missing.out
    assert "ok       all-reduce: 2 workers summed 4.0 MB" in missing.out
