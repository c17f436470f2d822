"""A command that is killed by SIGKILL before any of its changes of the file system, and resumed, ends as if it was not.

In the quick suite at a few of them; set TLKIT_KILL_STEP=1 for each.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from command_server import CommandServer
from machine_data import write_recipe
from machine_world import References, Run, World, differences, result, told_epochs

STEP = int(os.environ.get("TLKIT_KILL_STEP", "9"))

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the command server needs fork and Linux")


@pytest.fixture
def world(server: CommandServer, tmp_path: Path) -> World:
    """Return a new world."""
    return World(server, tmp_path.resolve() / "world")


def killed(world: World, run: Run, at: int, *arguments: object) -> bool:
    """Run a command that is killed before its ``at``-th change; return whether it was, or ended before."""
    world.disturb_next = {"at": at, "signal": int(signal.SIGKILL)}
    return world.command(*arguments, run=run).code is None


def finish(world: World, run: Run, *, epochs: int, references: References) -> None:
    """Resume a run, or start it again if it had no recipe yet, and compare it with the uninterrupted one."""
    if (run.path / "recipe.toml").is_file():
        ended = world.command("resume", run.path, run=run)
    else:
        ended = world.command("run", write_recipe(world.root, run.kind, epochs), "--out", run.path, run=run)
    assert ended.code == 0, ended.text
    found = list(differences(result(run.path), references.of(run.kind, told_epochs(run.path), 0)[1]))
    assert not found, "\n".join(found)


def kill_at_each(world: World, references: References, kind: str, step: int) -> int:
    """Kill a run at every ``step``-th change, and its resumption at another, and finish it; return the kills."""
    count, at = 0, 1
    while True:
        run = Run(world.new_path("runs"), kind, {2})
        if not killed(world, run, at, "run", write_recipe(world.root, kind, 2), "--out", run.path):
            return count
        count += 1
        if (run.path / "recipe.toml").is_file():
            count += killed(world, run, 1 + at * 7 % 60, "resume", run.path)
        finish(world, run, epochs=2, references=references)
        at += step


def kill_extension_at_each(world: World, references: References, kind: str, step: int) -> int:
    """Kill ``resume --set schedule.epochs=3`` of a finished run at every ``step``-th change; return the kills."""
    finished = Run(world.new_path("runs"), kind, {2})
    assert world.command("run", write_recipe(world.root, kind, 2), "--out", finished.path, run=finished).code == 0
    count, at, longer = 0, 1, ("--set", "schedule.epochs=3")
    while True:
        run = Run(world.new_path("runs"), kind, {2, 3})
        shutil.copytree(finished.path, run.path)
        if not killed(world, run, at, "resume", run.path, *longer):
            return count
        finish(world, run, epochs=3, references=references)
        ended = world.command("resume", run.path, *longer, run=run)
        assert ended.code == 0, ended.text
        assert not list(differences(result(run.path), references.of(kind, 3, 0)[1]))
        count += 1
        at += step


def test_a_run_killed_at_some_changes_ends_like_the_uninterrupted_one(world, references):
    assert kill_at_each(world, references, "frozen", 40) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frozen", "views", "full", "masks", "table", "coco"])
def test_a_run_killed_at_each_change_ends_like_the_uninterrupted_one(world, references, kind):
    count = kill_at_each(world, references, kind, STEP)
    print(f"{kind}: {count} SIGKILLs")
    assert count >= 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frozen", "full", "masks"])
def test_an_extension_killed_at_each_change_ends_like_the_uninterrupted_one(world, references, kind):
    count = kill_extension_at_each(world, references, kind, STEP)
    print(f"resume --set of {kind}: {count} SIGKILLs")
    assert count >= 3
