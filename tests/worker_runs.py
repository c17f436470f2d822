"""Runs of several workers from the command line, as processes: start one, find its workers, end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from photos import write_photos
from recipe_text import recipe_text
from waiting import LONG, end_of, wait_until

RECIPE: dict[str, Any] = {
    "input": {"image_size": 16, "batch_size": 5},
    "backbone": {"name": "small_cnn", "filters": [4], "weights": "none"},
    "augment": [{"name": "shift_flip"}],
    "schedule": {"epochs": 2, "learning_rate": 0.01, "optimizer": {"name": "sgd", "momentum": 0.9}},
    "train": {"cache": "off", "checkpoint_steps": 3},
}


def write_recipe(folder: Path, file: str = "r.toml", **changes: Any) -> Path:
    """Write 36 images, unless they are there, and a recipe for them; its last batch has fewer rows than the others."""
    if not (folder / "photos").is_dir():
        write_photos(folder / "photos", {"cat": 18, "dog": 18}, (20, 20))
    recipe = folder / file
    text = recipe_text(data={"name": "folder", "path": folder / "photos"}, **{**RECIPE, **changes})
    recipe.write_text(text, encoding="utf-8")
    return recipe


class WorkerRun:
    """A command that trains with workers.

    Args:
        folder: its run folder.
        arguments: those of ``tlkit``.
    """

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "tlkit", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def beats(self, size: int = 2) -> list[dict[str, Any]]:
        """Return the heartbeats of the workers that have one by now."""
        found = []
        for rank in range(size):
            try:
                found.append(json.loads((self.folder / "workers" / f"worker-{rank}.beat").read_text()))
            except (OSError, ValueError):
                continue
        return found

    def wait_for_steps(self, count: int, size: int = 2) -> list[dict[str, Any]]:
        """Wait until each worker has ended some steps since it was started, and return their heartbeats."""

        def reached() -> bool:
            beats = self.beats(size)
            # Those of workers that were just lost stay until the next ones are started.
            alive = [beat for beat in beats if is_alive(beat["pid"])]
            return len(alive) == size and all(beat["steps"] >= count for beat in alive)

        wait_until(reached, f"step {count}", self.process, seconds=4 * LONG)
        return self.beats(size)

    def losses(self) -> int:
        """Return how many losses of workers the run has noticed."""
        log = self.folder / "events.log"
        return log.read_text(errors="replace").count("going on from") if log.is_file() else 0

    def end(self, seconds: float = 4 * LONG) -> str:
        """Wait for the end and return what was said."""
        said: str = end_of(self.process, seconds=seconds)
        return said


def finished(folder: Path, *arguments: object) -> str:
    """Run a command to its end, which must be a success, and return what it said."""
    run = WorkerRun(folder, *arguments)
    said = run.end()
    assert run.process.returncode == 0, said + logs(folder)
    return said


def logs(folder: Path) -> str:
    """Return the logs of the workers of a run, for the message of a failure."""
    return "".join(file.read_text(errors="replace")[-3000:] for file in (folder / "workers").glob("*.log"))


def is_alive(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"
