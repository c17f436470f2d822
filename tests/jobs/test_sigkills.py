"""Commands killed by SIGKILL at moments of their whole life, and started again, end with the uninterrupted bytes.

Set TLKIT_KILL_SEED for other moments.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from everything import everything
from PIL import Image
from recipe_text import recipe_text
from same_runs import assert_same
from waiting import wait_until

STAGES = (
    ("importing", "", ""),
    ("checking", "Run folder: ", ""),
    ("building", "Data: ", ""),
    ("caching features", "Phase ", ""),
    ("training", "", "checkpoints/[0-9]*.json"),
    ("training", "", "checkpoints/[0-9]*.safetensors"),
    ("ending a phase", " frozen variables did not change", "checkpoints/*.weights.h5"),
    ("saving", "", ".tmp-model.keras"),
    ("evaluating", "Model saved", "model.keras"),
    ("reporting", "", "metrics.json"),
)
"""What a run does, and by what that is seen from outside: a text in ``events.log``, or new files."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")]


class Moments:
    """When to kill: each stage in turn, some time after its first sign.

    Args:
        name: of the chain of kills; its moments are drawn from it and ``TLKIT_KILL_SEED``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._random = random.Random(f"{name} {os.environ.get('TLKIT_KILL_SEED', '0')}")
        self.killed: Counter[str] = Counter()
        """How many kills hit a living process, by stage."""

    def wait(self, process: subprocess.Popen[bytes], signs: Signs, stage: int) -> None:
        """Wait until a run has reached a stage, or a later one, and some time more."""
        if stage:
            wait_until(lambda: signs.seen(stage) or process.poll() is not None, f"stage {stage}", process, every=0.01)
        time.sleep(self._random.uniform(0, 0.4 if stage else 5))

    def kill(self, process: subprocess.Popen[bytes], stage: str, victim: int | None = None) -> None:
        """Kill a process, or another in its place, and count it if it was alive."""
        if process.poll() is None:
            try:
                os.kill(victim or process.pid, signal.SIGKILL)
                self.killed[stage] += 1
            except ProcessLookupError:
                process.kill()

    def chance(self) -> bool:
        """Return one of two values, drawn."""
        return self._random.random() < 0.5

    def report(self, least: int) -> None:
        """Print how many kills there were, and check that they were enough to mean something."""
        print(f"{self._name}: {self.killed.total()} SIGKILLs: {dict(self.killed)}")
        assert self.killed.total() >= least


class Signs:
    """What is new in a run folder since a command was started.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logged = len(self._log())
        self._before = {pattern: self._stamps(pattern) for _, _, pattern in STAGES}

    def seen(self, stage: int) -> bool:
        """Return whether a stage, or a later one, was reached."""
        log = self._log()[self._logged :]
        later = STAGES[stage:]
        return any((text and text in log) or self._stamps(files) - self._before[files] for _, text, files in later)

    def _log(self) -> str:
        try:
            return (self._folder / "events.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def _stamps(self, pattern: str) -> set[tuple[Path, int]]:
        found = set()
        for file in self._folder.glob(pattern) if pattern else ():
            try:
                found.add((file, file.stat().st_mtime_ns))
            except FileNotFoundError:
                continue
        return found


def started(*arguments: object) -> subprocess.Popen[bytes]:
    """Start a tlkit command."""
    command = [sys.executable, "-m", "tlkit", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finished(*arguments: object) -> None:
    """Run a tlkit command, which must succeed."""
    command = [sys.executable, "-m", "tlkit", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 0, ended.stderr


def killed_at_each_stage(moments: Moments, folder: Path, command: Callable[[], Sequence[object]]) -> None:
    """Start a command and kill it, once at each stage.

    Args:
        moments: when to kill.
        folder: the run folder.
        command: returns the arguments of the command, which may depend on what the folder has.
    """
    for stage, (name, _, _) in enumerate(STAGES):
        signs = Signs(folder)
        process = started(*command())
        moments.wait(process, signs, stage)
        moments.kill(process, name)
        process.wait()


def run_or_resume(recipe: Path, folder: Path) -> Sequence[object]:
    """Return the command that begins or continues a run."""
    if (folder / "recipe.toml").is_file():
        return ["resume", folder]
    return ["run", recipe, "--out", folder]


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Write images with masks, and return the recipe of a segmentation."""
    random_values = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for number in range(48):
        mask = np.zeros((40, 48), np.uint8)
        mask[number % 20 : number % 20 + 16, number % 16 : number % 16 + 20] = 1 + number % 2
        pixels = random_values.integers(0, 120, (40, 48, 3), dtype=np.uint8)
        pixels[..., 0] += mask * 60
        Image.fromarray(pixels).save(tmp_path / f"images/{number:02d}.png")
        Image.fromarray(mask).save(tmp_path / f"masks/{number:02d}.png")
    values = {"0": "ground", "1": "wall", "2": "roof"}
    data = {"name": "masks", "images": tmp_path / "images", "masks": tmp_path / "masks", "values": values}
    recipe = tmp_path / "scenes.toml"
    recipe.write_text(
        recipe_text(
            name="scenes",
            task="segmentation",
            data=data,
            input={"image_size": 32, "batch_size": 8, "test": 0.2},
            head={"name": "linear_seg"},
            augment=[{"name": "flip"}],
            schedule={"name": "two_phase", "head_epochs": 3, "finetune_epochs": 3},
            train={"cache": "on", "views": 2, "checkpoint_steps": 2},
        )
    )
    return recipe


def test_a_killed_classification_ends_with_the_same_bytes(tmp_path):
    """A run of three phases, with every part of the state of a run."""
    recipe = tmp_path / "everything.toml"
    recipe.write_text(everything(unfreeze_to="conv3"))
    finished("run", recipe, "--out", tmp_path / "whole")
    folder, moments = tmp_path / "run", Moments("classification")
    killed_at_each_stage(moments, folder, lambda: run_or_resume(recipe, folder))
    finished("resume", folder)
    assert_same(folder, tmp_path / "whole")
    moments.report(least=8)


def test_a_killed_segmentation_ends_with_the_same_bytes(scenes, tmp_path):
    finished("run", scenes, "--out", tmp_path / "whole")
    shutil.rmtree(os.environ["TLKIT_CACHE"], ignore_errors=True)
    folder, moments = tmp_path / "run", Moments("segmentation")
    killed_at_each_stage(moments, folder, lambda: run_or_resume(scenes, folder))
    finished("resume", folder)
    assert_same(folder, tmp_path / "whole")
    moments.report(least=8)


def test_a_killed_extension_ends_with_the_same_bytes(tmp_path):
    """``resume --set schedule.epochs``, started again with or, once it has begun, without that."""
    recipe = tmp_path / "short.toml"
    recipe.write_text(everything(schedule={"learning_rate": 0.02}, train={"ema": 0.9, "checkpoint_steps": 3}))
    finished("run", recipe, "--out", tmp_path / "whole", "--set", "schedule.epochs=5")
    folder, moments = tmp_path / "run", Moments("extension")
    finished("run", recipe, "--out", folder, "--set", "schedule.epochs=2")
    longer = ["resume", folder, "--set", "schedule.epochs=5"]

    def command() -> Sequence[object]:
        begun = "epochs = 5" in (folder / "recipe.toml").read_text()
        return ["resume", folder] if begun and moments.chance() else longer

    killed_at_each_stage(moments, folder, command)
    finished(*longer)
    assert_same(folder, tmp_path / "whole")
    moments.report(least=8)


def _children(process: int) -> list[int]:
    """Return the processes that a process has started; Linux only."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = file.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(after[1]) == process and after[0] != "Z":
            found.append(int(file.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="finds the children in /proc")
def test_killed_folds_end_with_the_same_bytes(tmp_path):
    """The parent or the child is killed, at half of the stages of each fold, and the command started again at once."""
    recipe = tmp_path / "everything.toml"
    recipe.write_text(everything(epochs=1))
    finished("run", recipe, "--folds", 2, "--out", tmp_path / "whole")
    out, moments = tmp_path / "folds", Moments("folds")
    command = ["run", recipe, "--folds", 2, "--out", out]
    for number in (1, 2):
        for stage, (name, _, _) in list(enumerate(STAGES))[number - 1 :: 2]:
            signs = Signs(out / f"fold-{number}")
            process = started(*command)
            moments.wait(process, signs, stage)
            children = _children(process.pid)
            child = children[0] if children and moments.chance() else None
            moments.kill(process, f"{name}, {'child' if child else 'parent'}", child)
            process.wait()
    finished(*command)
    for number in (1, 2):
        assert_same(out / f"fold-{number}", tmp_path / "whole" / f"fold-{number}")
    for name in ("folds.json", "predictions.csv", "fold-1.csv", "fold-2.csv"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not list(out.glob(".data-*"))
    assert json.loads((out / "model.json").read_text())["folds"] == ["fold-1", "fold-2"]
    moments.report(least=4)  # of nine: a stage of so small a fold may be over before it is seen
