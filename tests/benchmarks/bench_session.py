"""A benchmark session: its data, its temporary folders, and measurements, each in processes of its own."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import tomlkit
from bench_builds import Build
from bench_images import lay_out_photos, lay_out_photos_with_masks, lay_out_small_images
from bench_process import Figures, least, timed
from bench_sizes import Sizes

SCRIPT = Path(__file__).with_name("table.py")
PLUGIN = Path(__file__).with_name("bench_plugin.py")
KERAS_SCRIPT = Path(__file__).with_name("keras_script.py")


class Session:
    """What the rows of one table share.

    Args:
        data: a folder with ``pets/images`` and ``pets/annotations/trimaps``.
        work: an empty folder for copies, caches and run folders.
        sizes: how much is measured.
        builds: the builds that are compared: ``new``, and ``old`` if there is one.
        weights: a weights file of MobileNetV2 0.35 for the small run; None for random weights, which cost the same.
        say: called with a line about what is being done.
    """

    def __init__(
        self,
        data: Path,
        work: Path,
        sizes: Sizes,
        builds: Mapping[str, Build],
        weights: Path | None,
        say: Callable[[str], None],
    ) -> None:
        self.pets = data / "pets"
        self.work = work
        self.sizes = sizes
        self.builds = builds
        self.weights = "none" if weights is None else str(weights)
        self._say = say
        self._numbers = count(1)

    # Measurements -------------------------------------------------------------------------------------------------

    def in_turn(self, rounds: int, **measurements: Callable[[], Figures]) -> dict[str, Figures]:
        """Make each measurement once in each round, and return the least of each.

        Args:
            rounds: how often each is made.
            measurements: name → what makes the measurement.

        Returns:
            name → the least figures.
        """
        measured: dict[str, list[Figures]] = {name: [] for name in measurements}
        for _ in range(rounds):
            for name, measure in measurements.items():
                measured[name].append(measure())
        return {name: least(each) for name, each in measured.items()}

    def of_each_build(self, measure: Callable[[Build], Figures]) -> dict[str, Callable[[], Figures]]:
        """Return ``new`` and, if there is one, ``old``, for ``in_turn``."""
        return {name: lambda build=build: measure(build) for name, build in self.builds.items()}  # type: ignore[misc]

    def tlkit(self, build: Build, *arguments: str, cache: Path | None = None, **variables: str) -> Figures:
        """Run a command of tlkit.

        Args:
            build: the build of tlkit.
            arguments: what follows ``tlkit``.
            cache: its cache folder; None for an empty one that is removed afterwards.
            variables: other environment variables.
        """
        environment = build.environment() | variables
        return self._timed(f"{build.name}: tlkit", ["-m", "tlkit", *arguments], environment, cache)

    def python(self, *arguments: str) -> Figures:
        """Run Python, without any tlkit on its path."""
        return self._timed("python", list(arguments), dict(os.environ))

    def measure(self, name: str, build: Build | None = None, **arguments: Any) -> Figures:
        """Run a function that measures itself, in a new process.

        Args:
            name: ``module.function``, such as ``bench_keras.bare``; it returns ``wall``, ``cpu`` and others.
            build: the build of tlkit that it imports; None for ``new``.
            arguments: the function's arguments; plain values.

        Returns:
            what the function measured, with the memory of its process.
        """
        result = self.work / f"{next(self._numbers)}.json"
        command = [str(SCRIPT), "measure", name, json.dumps(arguments), str(result)]
        process = self._timed(f"{name} {_short(arguments)}", command, (build or self.builds["new"]).environment())
        measured = json.loads(result.read_text(encoding="utf-8"))
        return Figures(measured.pop("wall"), measured.pop("cpu"), process.memory, measured)

    def _timed(
        self, what: str, arguments: list[str], environment: dict[str, str], cache: Path | None = None
    ) -> Figures:
        number = next(self._numbers)
        own_cache = self.work / f"cache-{number}"
        environment["TLKIT_CACHE"] = str(cache or own_cache)
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        environment.setdefault("CUDA_VISIBLE_DEVICES", "-1")
        shown = " ".join(Path(each).name if each.startswith("/") else each for each in arguments if "{" not in each)
        self._say(f"{what} {shown.splitlines()[0]}" if "tlkit" in what or what == "python" else what)
        figures = timed([sys.executable, *arguments], environment, self.work, self.work / f"{number}.log")
        shutil.rmtree(own_cache, ignore_errors=True)
        return figures

    # Runs ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def cache(self) -> Any:
        """Give an empty cache folder that several commands share, and remove it."""
        folder = Path(self.new_folder("cache"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def run(self, build: Build, recipe: str, cache: Path | None = None) -> Figures:
        """Run ``tlkit run``.

        Returns:
            its cost; ``more`` has its run folder as ``run`` and the seconds of each epoch as ``epochs``.
        """
        out = self.new_folder("run")
        figures = self.tlkit(build, "run", recipe, "--out", out, cache=cache)
        return replace(figures, more={"run": out, "epochs": epoch_seconds(out)})

    def new_folder(self, name: str) -> str:
        """Return the path of a new folder, without creating it."""
        return str(self.work / f"{name}-{next(self._numbers)}")

    # Data ---------------------------------------------------------------------------------------------------------

    def photos(self, number: int, *, linked: bool = False) -> str:
        """Return a folder with one folder per breed and ``number`` JPEGs, the published ones repeated as needed.

        Args:
            number: the number of images.
            linked: make the repetitions hard links to one copy, so that the disk holds each image once.
        """
        root = self.work / f"photos-{number}{'-linked' if linked else ''}"
        if not root.is_dir():
            self._say(f"laying out {number} photos")
            lay_out_photos(self.pets, root, number, linked=linked)
        return str(root)

    def photos_with_masks(self, number: int) -> tuple[str, str]:
        """Return a folder of JPEGs and a folder of trimaps with the same names."""
        root = self.work / f"masks-{number}"
        if not root.is_dir():
            lay_out_photos_with_masks(self.pets, root, number)
        return str(root / "images"), str(root / "masks")

    def small_images(self, number: int) -> str:
        """Return a folder of ``number`` different small JPEGs, in as many folders as ``sizes`` says."""
        root = self.work / f"small-{number}"
        if not root.is_dir():
            self._say(f"laying out {number} small images")
            lay_out_small_images(root, number, self.sizes.folders)
        return str(root)

    # Recipes ------------------------------------------------------------------------------------------------------

    def recipe(self, data: Mapping[str, Any], backbone: Mapping[str, Any] | None = None, **tables: Any) -> str:
        """Write a recipe with random weights and without augmentation: a linear head on a frozen ResNet50.

        It has no key that an older build does not know.

        Args:
            data: the table ``data``.
            backbone: the table ``backbone``; None for ResNet50.
            tables: other tables in place of the defaults; ``input`` only changes the keys that it has.

        Returns:
            the path of the recipe.
        """
        sizes = self.sizes
        inputs = {"image_size": sizes.side, "batch_size": sizes.batch, "validation": 0.0} | tables.pop("input", {})
        recipe = {
            "name": "benchmark",
            "task": "segmentation" if data["name"] == "masks" else "classification",
            "data": data,
            "input": inputs,
            "backbone": backbone or {"name": "ResNet50", "weights": "none"},
            "head": {"name": "linear"},
            "schedule": {"name": "frozen", "epochs": sizes.epochs},
            **tables,
        }
        file = Path(self.new_folder("recipe")).with_suffix(".toml")
        file.write_text(tomlkit.dumps(recipe), encoding="utf-8")
        return str(file)

    def photo_recipe(self, number: int, backbone: Mapping[str, Any] | None = None, **tables: Any) -> str:
        """Write a recipe for ``number`` photos; the other arguments are those of ``recipe``."""
        linked = tables.pop("linked", False)
        return self.recipe({"name": "folder", "path": self.photos(number, linked=linked)}, backbone, **tables)


def epoch_seconds(run: str) -> list[float]:
    """Return the seconds of each epoch of a run folder."""
    with (Path(run) / "times.csv").open(encoding="utf-8") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


def _short(arguments: Mapping[str, Any]) -> str:
    shown = {key: Path(value).name if isinstance(value, str) else value for key, value in arguments.items()}
    return ", ".join(f"{key}={value}" for key, value in shown.items() if not isinstance(value, list))
