"""The run folder: the product of a run, enough by itself to explain, repeat and use it. Nothing in it is a pickle."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tlkit.errors import RunError
from tlkit.runs.card import Card
from tlkit.runs.lock import LOCK, locked
from tlkit.runs.reading import read_run_file
from tlkit.system.disk import write_atomically

MAX_RECIPE_BYTES = 4_000_000
MAX_JSON_PARTS = 2_000_000
"""Brackets and commas of a JSON file; the metrics of ten thousand classes have 100,000."""


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run folder, and how its files are written and read."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as it was run, overrides applied."""
        return self.path / "recipe.toml"

    @property
    def environment(self) -> Path:
        """Versions of everything, plugins included; threads and devices."""
        return self.path / "environment.json"

    @property
    def samples(self) -> Path:
        """Every file with its split, label and digest."""
        return self.path / "samples.csv"

    @property
    def history(self) -> Path:
        """``metrics.csv``: a row an epoch."""
        return self.path / "metrics.csv"

    @property
    def times(self) -> Path:
        """``times.csv``: how long each epoch took."""
        return self.path / "times.csv"

    @property
    def metrics(self) -> Path:
        """``metrics.json``: the final metrics of each split."""
        return self.path / "metrics.json"

    @property
    def freeze(self) -> Path:
        """``freeze.csv``: each variable in each phase, whether it should change and whether it did."""
        return self.path / "freeze.csv"

    @property
    def model(self) -> Path:
        """The trained model as a Keras file."""
        return self.path / "model.keras"

    @property
    def card(self) -> Path:
        """``model.json``."""
        return self.path / "model.json"

    @property
    def checkpoints(self) -> Path:
        """Weights that were kept while training."""
        return self.path / "checkpoints"

    @property
    def pictures(self) -> Path:
        """Curves, confusion matrix, validation images."""
        return self.path / "pictures"

    @property
    def report(self) -> Path:
        """``report.html``."""
        return self.path / "report.html"

    @property
    def log(self) -> Path:
        """``events.log``: what the run did, with times."""
        return self.path / "events.log"

    def read_card(self) -> Card:
        """Read ``model.json``.

        Raises:
            RunError: this is no finished run folder, or the file is damaged.
        """
        if not self.path.is_dir():
            raise RunError(f"{self.path}: no such run folder; expected the folder that tlkit run printed")
        if not self.card.is_file():
            hint = "the run in it has not ended" if self.recipe.is_file() else "it is not a run folder of tlkit"
            raise RunError(f"{self.path}: has no {self.card.name}: {hint}")
        try:
            return Card.model_validate_json(read_run_file(self.card))
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"{part}." for part in first["loc"]).removesuffix(".")
            what = ": ".join(part for part in (where, first["msg"].removeprefix("Value error, ")) if part)
            raise RunError(f"{self.card}: {what}; the file is damaged") from error

    def refuse_links(self) -> None:
        """Look for links in a folder that anybody may have made, before files in it are read and written.

        Raises:
            RunError: there is one, or a pipe, a socket or a device. tlkit makes none: what a link leads to is not the
                run's, and a pipe waits for ever.
        """
        for folder, folders, files in os.walk(self.path):
            for name in sorted((*folders, *files)):
                path = Path(folder) / name
                if path.is_symlink():
                    raise RunError(
                        f"{path}: is a link, and a run folder of tlkit's has none; what it leads to is neither read "
                        "nor written. Put the file or folder itself in its place"
                    )
                mode = path.stat().st_mode
                if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                    raise RunError(f"{path}: is neither a file nor a folder, and a run of tlkit has nothing else in it")

    def recipe_text(self) -> str:
        """What is in ``recipe.toml``.

        Raises:
            RunError: it is missing, no file of UTF-8 text, or too large.
            OSError: it can't be read.
        """
        try:
            return read_run_file(self.recipe, MAX_RECIPE_BYTES).decode("utf-8-sig")
        except FileNotFoundError as error:
            raise RunError(f"{self.recipe}: no such file; it tells what was run") from error
        except UnicodeDecodeError as error:
            raise RunError(f"{self.recipe}: not UTF-8 text ({error}); the file is damaged") from error

    def read_json(self, path: Path) -> Any:
        """Read a JSON file of the folder.

        Raises:
            RunError: the file is missing, is not JSON, or has more parts than one of tlkit's.
        """
        try:
            content = read_run_file(path)
            parts = sum(content.count(each) for each in (b"[", b"{", b","))
            if parts > MAX_JSON_PARTS:
                raise RunError(
                    f"{path}: has {parts} parts; expected at most {MAX_JSON_PARTS}; it is no file of tlkit's"
                )
            return json.loads(content)
        except FileNotFoundError as error:
            raise RunError(f"{path}: no such file; the run has not ended, or it was removed") from error
        except (ValueError, RecursionError) as error:
            anew = {
                self.metrics: f"; tlkit report {self.path} writes it anew",
                self.environment: f"; remove it, and tlkit resume {self.path} writes it anew",
            }.get(path, "")
            raise RunError(f"{path}: not JSON ({error}); the file is damaged{anew}") from error

    def write_json(self, path: Path, value: Mapping[str, Any]) -> None:
        """Write a JSON file of the folder, whole or not at all."""
        write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def create_run_folder(name: str, out: Path | None, root: Path = Path("runs")) -> RunFolder:
    """Make an empty run folder: ``out`` itself, else ``root/<name>-<n>`` with the next free number.

    Raises:
        RunError: ``out`` exists and is not an empty folder, or the folder can't be made.
    """
    try:
        if out is not None:
            if out.is_dir() and (out / LOCK).exists():
                # Another process in it is the better reason not to begin.
                with locked(out):
                    pass
            if out.exists() and (not out.is_dir() or any(not _is_of_a_beginning(file) for file in out.iterdir())):
                goes_on = f"; tlkit resume {out} goes on with the run in it" if (out / "recipe.toml").is_file() else ""
                raise RunError(
                    f"{out}: already exists and is not an empty folder; nothing was changed{goes_on}. "
                    "Give another folder with --out, or leave --out away for a new numbered one"
                )
            out.mkdir(parents=True, exist_ok=True)
            return RunFolder(out)
        root.mkdir(parents=True, exist_ok=True)
        pattern = re.compile(re.escape(name) + r"-(\d+)")
        taken = [int(match[1]) for entry in root.iterdir() if (match := pattern.fullmatch(entry.name))]
        number = max(taken, default=0) + 1
        while True:
            folder = root / f"{name}-{number}"
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return RunFolder(folder)
    except OSError as error:
        raise RunError(f"{error.filename}: the run folder can't be made: {error.strerror}") from error


def _is_of_a_beginning(file: Path) -> bool:
    """Whether a run leaves the file that was killed before it had written its recipe."""
    began = (LOCK, "events.log", "environment.json")
    return file.name in began or file.name.startswith((".recipe.toml-", ".environment.json-"))
