"""Processes of Python that tlkit starts, and where a process of its own imports from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tlkit.system.children import start_python
from tlkit.system.import_path import leave_out_current_folder

SHOW = "import json, os, sys; print(json.dumps([sys.path, dict(os.environ)]))"


def shown(arguments, **options):
    with start_python(arguments, subprocess.PIPE, **options) as process:
        return json.loads(process.communicate()[0])


def test_a_child_imports_from_where_its_parent_does_but_not_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('imported')")
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", ["", "src", *before])
    path, environment = shown(["-c", SHOW])
    expected = list(dict.fromkeys([str(tmp_path / "src"), *filter(None, before)]))
    assert path[: len(expected)] == expected
    assert str(tmp_path) not in path
    assert environment["PYTHONSAFEPATH"] == "1"


def test_a_child_gets_the_variables_of_its_parent_with_changes(monkeypatch):
    monkeypatch.setenv("TLKIT_A", "a")
    monkeypatch.setenv("TLKIT_B", "b")
    environment = shown(["-c", SHOW], environment={"TLKIT_A": None, "TLKIT_C": "c"})[1]
    assert {name: environment.get(name) for name in ("TLKIT_A", "TLKIT_B", "TLKIT_C")} == {
        "TLKIT_A": None,
        "TLKIT_B": "b",
        "TLKIT_C": "c",
    }


@pytest.mark.parametrize(
    ("path", "variable", "left"),
    [
        (["{here}", "/a", ""], None, ["/a"]),
        (["{here}", "/a"], "", ["/a"]),
        (["{here}", "/a"], ":/a", ["/a"]),
        (["{here}", "/a"], "{here}:/a", ["{here}", "/a"]),
        (["{here}", "/a"], ".", ["{here}", "/a"]),
    ],
)
def test_the_current_folder_is_imported_from_only_if_it_is_named(path, variable, left, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path)
    monkeypatch.setattr(sys, "path", [part.format(here=here) for part in path])
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if variable is not None:
        monkeypatch.setenv("PYTHONPATH", variable.replace(":", os.pathsep).format(here=here))
    leave_out_current_folder()
    assert sys.path == [part.format(here=here) for part in left]


def test_tlkit_is_imported_from_the_current_folder_if_it_is_there(monkeypatch):
    import tlkit

    source = Path(tlkit.__file__).parent.parent
    monkeypatch.chdir(source)
    monkeypatch.setattr(sys, "path", [str(source), "/a"])
    monkeypatch.delenv("PYTHONPATH", raising=False)
    leave_out_current_folder()
    assert sys.path == [str(source), "/a"]


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use can't be deleted")
def test_a_current_folder_that_was_deleted_is_no_obstacle(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "path", ["", "/a"])
    leave_out_current_folder()
    assert sys.path == ["/a"]


def test_nothing_else_starts_processes():
    """Popen, multiprocessing and the like appear in one file of tlkit and its plugins, and in what needs no tlkit."""
    root = Path(__file__).parents[2]
    words = (
        "subprocess.Popen(",
        "subprocess.run(",
        "multiprocessing",
        "ProcessPool",
        "os.system(",
        "os.spawn",
        "os.exec",
    )
    found = {
        file.relative_to(root).as_posix()
        for folder in ("tlkit", "plugins")
        for file in (root / folder).rglob("*.py")
        if any(word in line for line in file.read_text("utf-8").splitlines() for word in words if "``" not in line)
    }
    assert found == {"tlkit/system/children.py", "tlkit/cluster/probes.py"}
