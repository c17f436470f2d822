"""Whatever order a user's commands, kills, damage and changes come in, the promises of docs/guarantees.md hold.

A few sequences are tried; set TLKIT_FUZZ=300 for as many as in the recorded long run.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from tempfile import mkdtemp

import pytest
from command_server import CommandServer
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from machine_data import CHANGING, KINDS, SEGMENTATION, VARIANTS, image_bytes, replace_in_place, write_recipe
from machine_world import Ended, References, Run, World, differences, predicted, result, samples, told_epochs

COUNT = int(os.environ.get("TLKIT_FUZZ", "0"))
CACHED, CHECKPOINTS, REST = "cache", "checkpoints", "rest"
_SHARED: dict[str, object] = {}

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the command server needs fork and Linux")


class Machine(RuleBasedStateMachine):
    """A user, and what happens to the user's folder."""

    server: CommandServer
    references: References

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.server, Path(mkdtemp(dir=_SHARED["root"])).resolve())
        self.damaged: set[str] = set()
        self.kinds: list[str] = []

    def teardown(self) -> None:
        """Kill what is stopped, and remove the world."""
        self.world.kill_stopped()
        shutil.rmtree(self.world.root)

    def _chosen(self, number: int) -> Run:
        return self.world.runs[number % len(self.world.runs)]

    @property
    def _any_busy(self) -> bool:
        return any(run.busy for run in self.world.runs)

    @initialize(kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=2))
    def choose(self, kinds: list[str]) -> None:
        """Choose one or two recipes, so that what one run has cached is used by the next."""
        self.kinds = kinds

    @precondition(lambda self: not self._any_busy)
    @rule(at=st.integers(1, 150), stop=st.booleans())
    def disturb_next(self, at: int, stop: bool) -> None:
        """Have the next command killed or stopped before its ``at``-th change of the file system."""
        self.world.disturb_next = {"at": at, "signal": int(signal.SIGSTOP if stop else signal.SIGKILL)}

    @precondition(lambda self: COUNT and not self._any_busy)
    @rule(after=st.floats(0.01, 2))
    def kill_next(self, after: float) -> None:
        """Have the next command killed after some time."""
        self.world.disturb_next = {"after": after, "signal": int(signal.SIGKILL)}

    @precondition(lambda self: not self._any_busy)
    @rule(size=st.integers(15_000, 150_000))
    def limit_next(self, size: int) -> None:
        """Have the next command fail to write files above a size, as on a disk that fails."""
        self.world.disturb_next = {"file_size": size}

    @precondition(lambda self: len(self.world.runs) < 4)
    @rule(number=st.integers(0, 1), epochs=st.integers(1, 3))
    def run(self, number: int, epochs: int) -> None:
        """Start a run."""
        kind = self.kinds[number % len(self.kinds)]
        run = Run(self.world.new_path("runs"), kind, {epochs})
        self.world.runs.append(run)
        recipe = write_recipe(self.world.root, kind, epochs)
        self._check_trained(run, self.world.command("run", recipe, "--out", run.path, run=run))

    @precondition(lambda self: self.world.runs)
    @rule(number=st.integers(0, 3))
    def resume(self, number: int) -> None:
        """Resume a run; start it again if it was killed before it had a recipe."""
        run = self._chosen(number)
        if run.path.is_dir() and (run.path / "recipe.toml").is_file():
            self._check_trained(run, self.world.command("resume", run.path, run=run))
        else:
            recipe = write_recipe(self.world.root, run.kind, min(run.epochs))
            self._check_trained(run, self.world.command("run", recipe, "--out", run.path, run=run))

    @precondition(lambda self: self.world.runs)
    @rule(number=st.integers(0, 3), epochs=st.integers(1, 4))
    def extend(self, number: int, epochs: int) -> None:
        """Resume a run with another number of epochs."""
        run = self._chosen(number)
        if not (run.path / "recipe.toml").is_file():
            return
        if not run.busy:
            run.epochs.add(epochs)
        ended = self.world.command("resume", run.path, "--set", f"schedule.epochs={epochs}", run=run)
        self._check_trained(run, ended)
        if ended.code == 0 and not run.tainted:
            assert told_epochs(run.path) == epochs, ended.text

    def _check_trained(self, run: Run, ended: Ended) -> None:
        """Check what a command that trains has left."""
        if run.busy:
            assert ended.code in (1, 75), ended.text
            return
        if ended.stopped:
            run.busy = ended.stopped
            return
        if ended.code is None or run.tainted:
            return
        if ended.code:
            assert self._may_fail(run, ended.text), ended.text
            return
        assert not run.moved, ended.text
        self._check_result(run)
        if run.epochs:
            run.epochs = {told_epochs(run.path)}

    def _may_fail(self, run: Run, text: str) -> bool:
        """Return whether a command that trains may end with an error, and this one is clear."""
        if run.moved:
            return "was moved or removed while the run was in progress" in text
        if "can't be written: File too large" in text:
            return True
        if run.kind not in SEGMENTATION and "the data has changed since the run started: a/3.bmp" in text:
            return True
        if "epochs of the phase" in text and "are done; expected at least as many" in text:
            return True
        if "checkpoint" in text and ("missing" in text or "no checkpoint" in text):
            return str(run.path) in self.damaged or run.torn
        return run.torn and "Error:" in text

    def _check_result(self, run: Run) -> None:
        """Check that a finished run has the bytes of the uninterrupted one, and that its splits are apart."""
        epochs = told_epochs(run.path)
        assert epochs in run.epochs, (epochs, run.epochs)
        variant = self.references.variant_of(run.path)
        _, expected, _ = self.references.of(run.kind, epochs, variant)
        found = list(differences(result(run.path), expected))
        assert not found, "\n".join(found)
        sides: dict[str, str] = {}
        for row in samples(run.path):
            if row["status"] == "used":
                assert sides.setdefault(row["image_digest"], row["split"]) == row["split"], row
        assert (run.path / "report.html").is_file()

    @precondition(lambda self: self._any_busy)
    @rule()
    def proceed(self) -> None:
        """Let the stopped command go on to its end."""
        run = next(each for each in self.world.runs if each.busy)
        self._check_trained(run, self.world.proceed(run))
        run.moved = False

    @precondition(lambda self: any(self._finished(run) for run in self.world.runs))
    @rule(number=st.integers(0, 3), verb=st.sampled_from(["predict", "evaluate", "report"]))
    def use(self, number: int, verb: str) -> None:
        """Use a finished run: its predictions are those of the uninterrupted run."""
        finished = [run for run in self.world.runs if self._finished(run)]
        run = finished[number % len(finished)]
        how = dict(self.world.disturb_next)
        if how.get("signal") == signal.SIGSTOP:
            self.world.disturb_next["signal"] = int(signal.SIGKILL)
        if verb == "predict":
            ended = predicted(self.world, run)
        else:
            ended = self.world.command(verb, run.path, run=run if verb == "report" else None)
        if ended.code is None or run.tainted:
            return
        current = self.references.variant_of(run.path) == self.world.variant or run.kind in SEGMENTATION
        if ended.code:
            assert not current or "File too large" in ended.text, ended.text
        elif verb == "predict":
            assert (
                ended.text
                == self.references.of(run.kind, told_epochs(run.path), self.references.variant_of(run.path))[2]
            )
        elif verb == "report" and current:
            self._check_result(run)

    def _finished(self, run: Run) -> bool:
        return not run.busy and all((run.path / name).is_file() for name in ("model.json", "report.html"))

    @rule(gigabytes=st.sampled_from([None, 0, 1e-6, 1e-5, 20]))
    def limit_cache(self, gigabytes: float | None) -> None:
        """Clear or limit the cache, also while a command is stopped."""
        arguments = ["clear"] if gigabytes is None else ["limit", gigabytes]
        ended = self.world.command("cache", *arguments)
        assert ended.code in (0, None), ended.text

    @rule(variant=st.integers(0, VARIANTS - 1))
    def replace_image(self, variant: int) -> None:
        """Replace an image by one of the same length and time."""
        replace_in_place(self.world.root / CHANGING, image_bytes(self.world.root, variant))
        self.world.variant = variant

    @precondition(lambda self: 0 < len(self.world.runs) < 4)
    @rule(number=st.integers(0, 3))
    def copy(self, number: int) -> None:
        """Copy a run folder, also while a command that works in it is stopped."""
        run = self._chosen(number)
        if run.path.is_dir():
            other = Run(self.world.new_path("runs"), run.kind, set(run.epochs), run.tainted, torn=run.torn)
            shutil.copytree(run.path, other.path)
            if str(run.path) in self.damaged:
                self.damaged.add(str(other.path))
            self.world.runs.append(other)

    @precondition(lambda self: self.world.runs)
    @rule(number=st.integers(0, 3))
    def move(self, number: int) -> None:
        """Rename a run folder, also one in which a stopped command works."""
        run = self._chosen(number)
        if run.path.is_dir():
            run.moved = run.busy is not None
            before, run.path = run.path, self.world.new_path("runs")
            before.rename(run.path)
            if str(before) in self.damaged:
                self.damaged.add(str(run.path))

    @precondition(lambda self: not self._any_busy)
    @rule(
        where=st.sampled_from([CACHED, CACHED, CHECKPOINTS, REST]),
        number=st.integers(0, 10**6),
        bit=st.integers(0, 1023) | st.integers(0, 10**9),
    )
    def flip(self, where: str, number: int, bit: int) -> None:
        """Flip a bit of a file of the cache or of a run folder."""
        if where == CACHED:
            files = [file for file in self.world.cache.rglob("*") if file.is_file()]
        else:
            inside = [file for run in self.world.runs for file in run.path.rglob("*") if file.is_file()]
            files = [file for file in inside if (file.parent.name == "checkpoints") == (where == CHECKPOINTS)]
        files = sorted(file for file in files if file.stat().st_size)
        if not files:
            return
        file = files[number % len(files)]
        content = bytearray(file.read_bytes())
        content[bit // 8 % len(content)] ^= 1 << bit % 8
        file.write_bytes(content)
        for run in self.world.runs:
            if where != CACHED and run.path in file.parents:
                self.damaged.add(str(run.path))
                run.tainted = run.tainted or where == REST


@pytest.fixture
def machine(server: CommandServer, references: References, tmp_path: Path) -> type[Machine]:
    """Return the machine with a server for its commands."""
    _SHARED["root"] = tmp_path.resolve()
    Machine.server, Machine.references = server, references
    return Machine


def test_a_few_sequences_of_commands_keep_the_promises(machine: type[Machine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=4,
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_many_sequences_of_commands_keep_the_promises(machine: type[Machine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=COUNT or 100,
            stateful_step_count=16,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
