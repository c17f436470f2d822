"""The world of the state machine: a user's folder, commands in it, and what must hold after each of them."""

from __future__ import annotations

import csv
import hashlib
import shutil
import signal
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import h5py
from command_server import CommandServer
from machine_data import CHANGING, SEGMENTATION, VARIANTS, image_bytes, write_data, write_recipe

CODES = (0, 1, 2, 74, 75, 130, 143)
"""All exit codes that a command may have here."""
PRODUCTS = ("metrics.csv", "metrics.json", "predictions.csv", "freeze.csv", "model.json")


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, None if it was killed or stopped; its output; its process if stopped."""

    code: int | None
    text: str
    stopped: int | None = None


@dataclass
class Run:
    """A run folder that the user has.

    Args:
        path: the folder.
        kind: which recipe it was started from.
        epochs: the numbers of epochs that its recipe may say.
        tainted: a byte of a file was changed that has no checksum, and that a user may edit.
        busy: the stopped process that works in it.
        moved: it was moved while that process worked in it.
        torn: it was copied while a process wrote it.
    """

    path: Path
    kind: str
    epochs: set[int]
    tainted: bool = False
    busy: int | None = None
    moved: bool = False
    torn: bool = False


@dataclass
class World:
    """A folder with data, recipes, run folders, predictions and a cache, and the commands that work in it.

    Args:
        server: runs the commands.
        root: the folder; empty.
        variant: which of its contents the changing image has.
        runs: the run folders.
        disturb_next: what the next command gets: ``signal`` with ``at`` or ``after``, or ``file_size``.
    """

    server: CommandServer
    root: Path
    variant: int = 0
    runs: list[Run] = field(default_factory=list)
    disturb_next: dict[str, float] = field(default_factory=dict)
    _made: int = 0

    def __post_init__(self) -> None:
        for name in ("tmp", "home", "predictions"):
            (self.root / name).mkdir(parents=True)
        write_data(self.root, self.variant)

    @property
    def cache(self) -> Path:
        """The cache folder."""
        return self.root / "cache"

    def new_path(self, folder: str, suffix: str = "") -> Path:
        """Return a path that was never there."""
        self._made += 1
        return self.root / folder / f"{self._made}{suffix}"

    def command(self, *arguments: object, run: Run | None = None) -> Ended:
        """Run a command, with the disturbance that was asked for, and check what must hold after every command.

        Args:
            arguments: the verb, and so on.
            run: the run folder that it may change.
        """
        how, self.disturb_next = self.disturb_next, {}
        busy = {each.path for each in self.runs if each.busy}
        before = self.contents(but=busy | ({run.path} if run else set()))
        output = self.root / "output.txt"
        environment = {"TLKIT_CACHE": str(self.cache), "TLKIT_CONFIG": str(self.root / "home")}
        answer = self.server.ask(
            arguments=[*map(str, arguments)],
            environment={**environment, "TMPDIR": str(self.root / "tmp")},
            output=str(output),
            root=str(self.root),
            **how,
        )
        ended = self._ended(answer, output)
        after = self.contents(but=busy | ({run.path} if run else set()))
        assert {file: after.get(file) for file in before} == before, (arguments, "changed what the user had")
        given = {Path(argument) for argument in arguments if isinstance(argument, Path)}
        strays = [file for file in after if file not in before and not given & {file, *file.parents}]
        if ended.code is not None:
            assert not strays, (arguments, "left", strays)
        return ended

    def _ended(self, answer: dict[str, object], output: Path) -> Ended:
        text = output.read_text(errors="replace")
        assert "Traceback (most recent call last)" not in text, text
        if answer.get("stopped"):
            return Ended(None, text, int(str(answer["process"])))
        if "signal" in answer:
            assert answer["signal"] == signal.SIGKILL, (answer, text)
            return Ended(None, text)
        assert answer["exit"] in CODES, (answer, text)
        return Ended(int(str(answer["exit"])), text)

    def proceed(self, run: Run) -> Ended:
        """Let the stopped process of a run go on to its end."""
        process, run.busy = run.busy, None
        return self._ended(self.server.ask(proceed=process), self.root / "output.txt")

    def kill_stopped(self) -> None:
        """Kill the stopped process."""
        for run in self.runs:
            if run.busy:
                self.server.ask(kill=run.busy)
                run.busy = None

    def contents(self, but: set[Path]) -> dict[Path, str]:
        """Return the digest of each file that the user has: images, recipes, predictions and other run folders."""
        folders = ("photos", "scenes", "recipes", "predictions", "runs")
        files = (file for name in folders for file in (self.root / name).rglob("*") if file.is_file())
        return {
            file: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
            if file.name != ".lock" and not any(each in but for each in file.parents)
        }


def told_epochs(run: Path) -> int:
    """Return the number of epochs that the recipe in a run folder says."""
    return int(tomllib.loads((run / "recipe.toml").read_text())["schedule"]["epochs"])


def result(run: Path) -> dict[str, object]:
    """Return all that must be the same in two runs of the same recipe on the same images."""
    found: dict[str, object] = {}
    for name in PRODUCTS:
        file = run / name
        found[name] = file.read_bytes() if file.is_file() else None
    with zipfile.ZipFile(run / "model.keras") as archive, h5py.File(BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()].tobytes()}) if isinstance(item, h5py.Dataset) else None
        )
    found["samples"] = [
        {key: cell for key, cell in row.items() if key not in ("path", "mask", "reason")} for row in samples(run)
    ]
    return found


def samples(run: Path) -> list[dict[str, str]]:
    """Return the rows of the ``samples.csv`` in a run folder."""
    with (run / "samples.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def differences(ours: dict[str, object], theirs: dict[str, object]) -> Iterator[str]:
    """Name what differs between two results."""
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            yield f"{key}: {str(ours.get(key))[:300]!r}, expected {str(theirs.get(key))[:300]!r}"


class References:
    """Uninterrupted runs, each in a world of its own, and what they predict; made when they are first asked for.

    Args:
        server: runs the commands.
        root: the folder for their worlds.
    """

    def __init__(self, server: CommandServer, root: Path) -> None:
        self._server = server
        self._root = root
        self._runs: dict[tuple[str, int, int], tuple[int, dict[str, object], str]] = {}
        self._worlds: dict[int, World] = {}
        self.digests = [""] * VARIANTS
        """The digest of each content of the changing image."""
        for variant in range(VARIANTS):
            world = World(server, root / str(variant), variant)
            self._worlds[variant] = world
            self.digests[variant] = hashlib.sha256(image_bytes(world.root, variant)).hexdigest()

    def of(self, kind: str, epochs: int, variant: int) -> tuple[int, dict[str, object], str]:
        """Return the exit code of the uninterrupted run, its result, and what its model predicts."""
        key = (kind, epochs, 0 if kind in SEGMENTATION else variant)
        if key not in self._runs:
            world = self._worlds[key[2]]
            shutil.rmtree(world.cache, ignore_errors=True)
            run = Run(world.new_path("runs"), kind, {epochs})
            ended = world.command("run", write_recipe(world.root, kind, epochs), "--out", run.path, run=run)
            assert ended.code in (0, 1), ended.text
            made: tuple[dict[str, object], str] = ({}, "")
            if not ended.code:
                made = (result(run.path), predicted(world, run).text)
            self._runs[key] = (int(ended.code or 0), *made)
        return self._runs[key]

    def variant_of(self, run: Path) -> int:
        """Return which content of the changing image a run has seen, by its ``samples.csv``."""
        for row in samples(run):
            if CHANGING.endswith(row["key"]):
                digest = row["image_digest"].removeprefix("sha256:")
                return self.digests.index(digest) if digest else VARIANTS - 1
        return 0


def predicted(world: World, run: Run) -> Ended:
    """Predict all images of a run's kind; the text has the predictions without the paths."""
    suffix, folder = ("", "scenes/images") if run.kind in SEGMENTATION else (".csv", "photos/b")
    out = world.new_path("predictions", suffix)
    ended = world.command("predict", run.path, world.root / folder, "--out", out)
    if ended.code:
        return ended
    files = sorted(each for each in out.rglob("*") if each.is_file()) if out.is_dir() else [out]
    contents = [each.read_bytes().replace(str(world.root).encode(), b"") for each in files]
    digests = [hashlib.sha256(each).hexdigest() for each in contents]
    names = [each.relative_to(out).as_posix() for each in files]
    return Ended(ended.code, "\n".join(" ".join(pair) for pair in zip(names, digests, strict=True)))
