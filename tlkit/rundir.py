"""The run folder: the product of a run, enough by itself to explain, repeat and use it. Nothing in it is a pickle."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tlkit.contracts import IGNORE, LabelKind, Task
from tlkit.errors import DataError, RunError
from tlkit.runlock import LOCK, locked, naming

FORMAT: Literal[1] = 1
MOST_BYTES = 64_000_000
"""Of a file of a run folder that is read whole."""
MOST_RECIPE_BYTES = 4_000_000
MOST_JSON_PARTS = 2_000_000
"""Brackets and commas of a JSON file; the metrics of ten thousand classes have 100,000."""
MOST_TABLE_BYTES = 500_000_000
"""Of its tables with a line for each image."""
MOST_SHORT_TABLE_BYTES = 16_000_000
"""Of its tables with a line for each epoch, or for each variable in each phase."""
MOST_COLUMNS = 1000
_BYTES_A_ROW = 100
"""A table has at most one row for so many of the bytes that it may have: short rows take far more memory than bytes."""


_Byte = Annotated[int, Field(ge=0, le=255)]


class Part(BaseModel):
    """A plugin's part in a model: its name in the recipe and its options with all defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    options: dict[str, Any]


class Card(BaseModel):
    """``model.json``: what one must know to use ``model.keras``.

    Args:
        format: version of this file's layout.
        tlkit: version that wrote it.
        classes: class names in the order of the logits.
        label_kind: single (softmax), binary (one logit, sigmoid, of class 1), multi (a sigmoid each).
        image_size: (height, width) of the model's input in pixels.
        resize: how images come to that size.
        colors: (red, green, blue) of each class in pictures and palettes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    format: Literal[1] = FORMAT
    tlkit: str
    name: str
    task: Task
    classes: Annotated[tuple[str, ...], Field(min_length=1, max_length=100_000)]
    label_kind: LabelKind
    image_size: tuple[Annotated[int, Field(ge=1, le=16_384)], Annotated[int, Field(ge=1, le=16_384)]]
    resize: Literal["stretch", "crop", "pad"]
    colors: tuple[tuple[_Byte, _Byte, _Byte], ...]
    preprocessing: str = "in the model: it takes raw RGB, float32 (N, height, width, 3), 0-255, and returns logits"
    backbone: Part
    head: Part

    @model_validator(mode="after")
    def _classes_fit(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            name = next(name for name, count in Counter(self.classes).items() if count > 1)
            raise ValueError(f"classes: {name!r} stands there twice")
        if len(self.colors) != len(self.classes):
            raise ValueError(f"colors: expected one a class, {len(self.classes)}, received {len(self.colors)}")
        if self.task == "classification" and self.label_kind == "binary" and len(self.classes) != 2:
            raise ValueError(f'label_kind: "binary" has 2 classes, received {len(self.classes)}')
        if self.task == "segmentation" and (self.label_kind != "single" or len(self.classes) > IGNORE):
            raise ValueError(f'a segmentation has label_kind "single" and at most {IGNORE} classes')
        return self


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that it appears whole or not at all (temporary file, fsync, rename)."""
    data = content.encode() if isinstance(content, str) else content
    with naming(path, len(data)):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with naming(path, len(data)), os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


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
            return Card.model_validate_json(own_content(self.card))
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
            return own_content(self.recipe, MOST_RECIPE_BYTES).decode("utf-8-sig")
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
            content = own_content(path)
            parts = sum(content.count(each) for each in (b"[", b"{", b","))
            if parts > MOST_JSON_PARTS:
                raise RunError(
                    f"{path}: has {parts} parts; expected at most {MOST_JSON_PARTS}; it is no file of tlkit's"
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


def own_content(path: Path, most: int = MOST_BYTES) -> bytes:
    """What is in a file of a run folder itself, whoever made the folder.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        RunError: it is a link, a device or a pipe, or larger.
        OSError: it can't be read.
    """
    if path.is_symlink():
        raise RunError(f"{path}: is a link; only files of the run folder itself are read")
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise RunError(f"{path}: is no file; expected one that tlkit wrote")
    if status.st_size > most:
        raise RunError(f"{path}: has {status.st_size} bytes; expected at most {most}; it is no file of tlkit's")
    return path.read_bytes()


def own_table(path: Path, most: int = MOST_TABLE_BYTES) -> list[dict[str, str]]:
    """The rows of a CSV file of a run folder itself; as ``own_content``.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        RunError: as ``own_content``, or it is not a CSV file in UTF-8 with as many values in each row as columns.
        OSError: it can't be read.
    """
    try:
        reader = csv.reader(io.StringIO(own_content(path, most).decode("utf-8"), newline=""))
        rows = (row for row in reader if row)
        columns = next(rows, [])
        if len(columns) > MOST_COLUMNS:
            raise RunError(f"{path}: has {len(columns)} columns; expected at most {MOST_COLUMNS}")
        found: list[dict[str, str]] = []
        for row in rows:
            if len(found) >= most // _BYTES_A_ROW:
                raise RunError(f"{path}: has more than {len(found)} rows; it is no file of tlkit's")
            if len(row) != len(columns):
                line = f"{path}:{reader.line_num}"
                raise RunError(f"{line}: expected {len(columns)} values, received {len(row)}; the file is damaged")
            found.append(dict(zip(columns, row, strict=True)))
        return found
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: not a CSV file in UTF-8 ({error}); the file is damaged") from error


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


def check_new_file(out: Path, *, overwrite: bool) -> None:
    """Find out before the work that a file to be written exists already, or can't be written.

    Raises:
        DataError: it exists, and ``overwrite`` is not set; it is a folder; or its folder may not be written.
    """
    if out.is_dir():
        raise DataError(f"{out}: is a folder; expected a file")
    if out.exists() and not overwrite:
        raise DataError(f"{out}: already exists and was not changed; give another file, or --overwrite")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if not there.is_dir():
        raise DataError(f"{out}: can't be written: {there} is a file; expected a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(f"{out}: can't be written: Permission denied: {there}; give another place")
