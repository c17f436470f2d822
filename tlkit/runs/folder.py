"""The run folder: it alone is enough to explain, repeat and use a run. Nothing in it is a pickle."""

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
from tlkit.runs.seal import check_text, sealed_text, sealed_values, unsealed_values
from tlkit.system.disk import write_atomically

MAX_RECIPE_BYTES = 4_000_000
"""Largest size of ``recipe.toml``."""
MAX_JSON_PARTS = 2_000_000
"""Largest number of brackets and commas in a JSON file; the metrics of ten thousand classes have 100,000."""


_MAX_DIGITS = 20
"""Number of digits and sign of an integer of 64 bits; tlkit writes no larger ones, and formats none."""


class _Entry:
    """A file or folder of a run folder: its path as an attribute of a ``RunFolder``, its name as one of the class."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: RunFolder | None, owner: type[RunFolder]) -> Path:
        return Path(self._name) if folder is None else folder.path / self._name


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run folder, and how its files are read and written.

    Args:
        path: the folder.
    """

    path: Path

    recipe = _Entry("recipe.toml")
    """The recipe that was run, overrides applied."""
    environment = _Entry("environment.json")
    """Versions of all packages and plugins, threads, devices, and the recipe with all defaults."""
    samples = _Entry("samples.csv")
    """Every file with its split, label and digest."""
    history = _Entry("metrics.csv")
    """The metrics of each epoch."""
    times = _Entry("times.csv")
    """How long each epoch took."""
    profile = _Entry("profile.csv")
    """Where the time went, if the run was asked for it."""
    metrics = _Entry("metrics.json")
    """The final metrics of each split."""
    pixels = _Entry("pixels.csv")
    """Of a segmentation: how many pixels of each class each image has and got right."""
    freeze = _Entry("freeze.csv")
    """Each variable in each phase: whether it should change, and whether it did."""
    model = _Entry("model.keras")
    """The trained model as a Keras file."""
    lite = _Entry("model.tflite")
    """The same model as a LiteRT file, which predicts without TensorFlow."""
    card = _Entry("model.json")
    """What a user of the model must know."""
    checkpoints = _Entry("checkpoints")
    """The checkpoints, from which an interrupted run continues."""
    limits = _Entry("limits.safetensors")
    """What the model knows, for ``predict --unknown`` and ``--sets``; ``report --full`` writes it."""
    pictures = _Entry("pictures")
    """Curves, confusion matrix, validation images."""
    report = _Entry("report.html")
    """The report."""
    checksums = _Entry("checksums.txt")
    """The checksums of the tables and of the two files of the model."""
    labels = _Entry("labels.csv")
    """The images in the order in which their labels may be wrong, with a column that a user fills in."""
    labels_page = _Entry("labels.html")
    """Pictures of them."""
    exports = _Entry("exports.json")
    """What the model was exported to, and how far each file agrees with it."""
    exported = _Entry("exports")
    """The exported files."""
    workers = _Entry("workers")
    """The logs of the workers, if several trained."""
    workers_table = _Entry("workers.json")
    """Which workers trained, how fast each was, and which were lost."""
    log = _Entry("events.log")
    """What the run did, with times."""

    def read_card(self) -> Card:
        """Read ``model.json``.

        Raises:
            RunError: this is not the folder of a finished run, or the file is damaged.
        """
        self.expect_folder()
        if not self.card.is_file():
            hint = "its run has not finished" if self.recipe.is_file() else self.what_else()
            if (self.path / "folds.toml").is_file():
                what = "its folds have not finished"
                if (self.path / "folds.json").is_file():
                    what = "the models of its folds can't be used together where their value_range or the like differs"
                hint = f"{what}, or an earlier tlkit ran them; tlkit report {self.path} writes it then"
            raise RunError(f"{self.path}: has no {self.card.name}: {hint}")
        try:
            return Card.model_validate_json(self._card_text())
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"{part}." for part in first["loc"]).removesuffix(".")
            what = ": ".join(part for part in (where, first["msg"].removeprefix("Value error, ")) if part)
            raise RunError(f"{self.card}: {what}; the file is damaged") from error

    def expect_folder(self) -> None:
        """Refuse a path that is no folder.

        Raises:
            RunError: it does not exist, or is a file.
        """
        if self.path.is_dir():
            return
        what = "is a file" if self.path.is_file() else "no such run folder"
        hint = ""
        if self.path.suffix:  # perhaps meant as a file
            what += "" if self.path.is_file() else " or file"
            hint = " (an exported file goes to tlkit predict, tlkit serve, or tlkit evaluate RUN --model FILE)"
        raise RunError(f"{self.path}: {what}; expected the folder that tlkit run printed{hint}")

    def what_else(self) -> str:
        """Say what the folder seems to be, which is not that of a run."""
        if (self.path / "sweep.toml").is_file():
            return f"it is the folder of a sweep; expected the run of a trial of it, such as {self.path / 'trial-001'}"
        return "it is not a run folder of tlkit"

    def _card_text(self) -> str:
        content = read_run_file(self.card)
        try:
            return json.dumps(unsealed_values(self.card, json.loads(content)))
        except (ValueError, RecursionError) as error:
            raise RunError(f"{self.card}: not JSON ({error}); the file is damaged") from error

    def write_card(self, card: Mapping[str, Any]) -> None:
        """Write ``model.json`` with its checksum, whole or not at all."""
        self.write_json(self.card, sealed_values(card))

    def write_recipe(self, text: str) -> None:
        """Write ``recipe.toml`` with its checksum, whole or not at all."""
        write_atomically(self.recipe, sealed_text(text))

    def refuse_links(self) -> None:
        """Check that the folder contains only files and folders, before its files are read and written.

        The folder may be someone else's. A link may point to files outside it, and reading a pipe may never end.

        Raises:
            RunError: there is a link, a pipe, a socket or a device, none of which tlkit makes.
        """
        for folder, folders, files in os.walk(self.path):
            for name in sorted((*folders, *files)):
                path = Path(folder) / name
                if path.is_symlink():
                    raise RunError(
                        f"{path}: is a link, which tlkit does not make in a run folder; what it points to is neither "
                        "read nor written. Replace it with the file or folder itself"
                    )
                mode = path.stat().st_mode
                if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                    raise RunError(f"{path}: is neither a file nor a folder; remove it from the run folder")

    def recipe_text(self) -> str:
        """Read ``recipe.toml``.

        Raises:
            RunError: the file is missing, is not UTF-8 text, is too large, or does not fit its checksum.
            OSError: the file can't be read.
        """
        try:
            text = read_run_file(self.recipe, MAX_RECIPE_BYTES).decode("utf-8-sig")
        except FileNotFoundError as error:
            hint = "without it tlkit does not know what was run"
            if (self.path / "folds.toml").is_file():
                hint = f"this is a cross-validation, of which each fold is a run: {self.path / 'fold-1'}, …"
            raise RunError(f"{self.recipe}: no such file; {hint}") from error
        except UnicodeDecodeError as error:
            raise RunError(f"{self.recipe}: not UTF-8 text ({error}); the file is damaged") from error
        check_text(self.recipe, text)
        return text

    def read_json(self, path: Path) -> Any:
        """Read a JSON file of the folder.

        Raises:
            RunError: the file is missing, is not JSON, or has more parts than tlkit writes.
        """
        try:
            content = read_run_file(path)
            parts = sum(content.count(each) for each in (b"[", b"{", b","))
            if parts > MAX_JSON_PARTS:
                raise RunError(
                    f"{path}: has {parts} parts; expected at most {MAX_JSON_PARTS}; tlkit did not write this file"
                )
            return json.loads(content, parse_int=_integer)
        except FileNotFoundError as error:
            raise RunError(f"{path}: no such file; the run has not finished, or the file was removed") from error
        except (ValueError, RecursionError) as error:
            remedy = {
                self.metrics: f"; tlkit report {self.path} rewrites it",
                self.environment: f"; remove it, and tlkit resume {self.path} rewrites it",
            }.get(path, "")
            raise RunError(f"{path}: not JSON ({error}); the file is damaged{remedy}") from error

    def write_json(self, path: Path, value: Mapping[str, Any]) -> None:
        """Write a JSON file of the folder, whole or not at all."""
        write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def create_run_folder(name: str, out: Path | None, root: Path = Path("runs")) -> RunFolder:
    """Create an empty run folder.

    Args:
        name: the recipe's name.
        out: the folder; None for ``root/<name>-<n>`` with the next free number.
        root: the folder of numbered run folders.

    Raises:
        RunError: ``out`` exists and is not an empty folder, or the folder can't be created.
        BusyError: another process works in ``out``.
    """
    try:
        return RunFolder(_numbered_folder(name, root) if out is None else _named_folder(out))
    except OSError as error:
        raise RunError(f"{error.filename}: the run folder can't be created: {error.strerror}") from error


def _numbered_folder(name: str, root: Path) -> Path:
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
            return folder


def _named_folder(out: Path) -> Path:
    if out.is_dir() and (out / LOCK).exists():
        # Another process in the folder is a better reason to refuse it than its files.
        with locked(out):
            pass
    if out.exists() and (not out.is_dir() or not all(_left_by_failed_start(file) for file in out.iterdir())):
        resume = f"; tlkit resume {out} continues the run in it" if (out / "recipe.toml").is_file() else ""
        raise RunError(
            f"{out}: already exists and is not an empty folder; nothing was changed{resume}. "
            "Name another folder with --out, or omit --out for a new numbered one"
        )
    out.mkdir(parents=True, exist_ok=True)
    return out


def _left_by_failed_start(file: Path) -> bool:
    """Return whether a run leaves this file when it is killed before it has written its recipe."""
    names, beginnings = (LOCK, "events.log", "environment.json"), (".recipe.toml-", ".environment.json-")
    if file.name == "workers" and not file.is_symlink():
        return file.is_dir()
    return file.is_file() and (file.name in names or file.name.startswith(beginnings))
