"""A benchmark session: its data, its temporary folders, and measurements, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path
from typing import Any

import tomlkit

SCRIPT = Path(__file__).with_name("table.py")
LAST_BLOCK = Path(__file__).with_name("bench_schedule.py")


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        side: the side of the images in pixels.
        small_side: the side for the small backbone and for the checkpoints.
        epochs: the epochs of most runs.
        batch: images per step.
        segmentation_batch: images per step with the U-Net head.
        images: images of the frozen runs and of ``predict``.
        finetuned: images of the fine-tuning.
        masks: images of the segmentation.
        whole: images of the run whose time outside training is measured.
        memory: two numbers of images whose peak memory is compared.
        trusted_epochs: epochs of the run whose checks and checkpoints are measured.
        growth: numbers of images whose time per image is compared.
    """

    side: int = 160
    small_side: int = 96
    epochs: int = 10
    batch: int = 32
    segmentation_batch: int = 16
    images: int = 2000
    finetuned: int = 500
    masks: int = 400
    whole: int = 400
    memory: tuple[int, int] = (2000, 20_000)
    trusted_epochs: int = 6
    growth: tuple[int, ...] = (2000, 4000, 8000)


QUICK = Sizes(
    side=64,
    small_side=64,
    epochs=2,
    batch=16,
    segmentation_batch=8,
    images=64,
    finetuned=64,
    masks=64,
    whole=64,
    memory=(64, 128),
    trusted_epochs=2,
    growth=(64, 96, 128),
)
"""Sizes that check that every path works; the figures mean nothing."""


class MeasurementError(Exception):
    """A measurement's process ended with an error; the message is the end of its output."""


class Session:
    """What the rows of one table share.

    Args:
        data: a folder with ``pets/images`` and ``pets/annotations/trimaps``.
        work: an empty folder for copies, caches and run folders.
        sizes: how much is measured.
        say: called with a line about what is being done.
    """

    def __init__(self, data: Path, work: Path, sizes: Sizes, say: Callable[[str], None]) -> None:
        self.pets = data / "pets"
        self.work = work
        self.sizes = sizes
        self._say = say
        self._numbers = count(1)
        self._shared: dict[str, dict[str, Any]] = {}

    def measure(self, name: str, *, cache: Path | None = None, **arguments: Any) -> dict[str, Any]:
        """Run a measurement in a new process.

        Args:
            name: ``module.function``, such as ``bench_keras.frozen``.
            cache: the process's ``TLKIT_CACHE``; None for an empty one that is removed afterwards.
            arguments: the function's arguments; plain values.

        Returns:
            what the function returned, and ``process_seconds``, from the start of the process to its end.

        Raises:
            MeasurementError: the process failed.
        """
        number = next(self._numbers)
        result, log = (self.work / f"{number}.{suffix}" for suffix in ("json", "log"))
        own_cache = self.work / f"cache-{number}"
        environment = os.environ | {"TLKIT_CACHE": str(cache or own_cache)}
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        environment.setdefault("CUDA_VISIBLE_DEVICES", "-1")
        self._say(f"{name} {_short(arguments)}")
        command = [sys.executable, str(SCRIPT), "measure", name, json.dumps(arguments), str(result)]
        began = time.perf_counter()
        with log.open("wb") as output:
            ended = subprocess.run(
                command, cwd=self.work, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
            )
        seconds = time.perf_counter() - began
        shutil.rmtree(own_cache, ignore_errors=True)
        if ended.returncode or not result.is_file():
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:]
            raise MeasurementError(f"{name} ended with code {ended.returncode}:\n" + "\n".join(lines))
        return {**json.loads(result.read_text(encoding="utf-8")), "process_seconds": seconds}

    def once(self, what: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Make a measurement that several rows use, the first time it is needed; later return the same result."""
        if what not in self._shared:
            self._shared[what] = measure()
        return self._shared[what]

    def new_folder(self, name: str) -> str:
        """Return the path of a new folder, without creating it."""
        return str(self.work / f"{name}-{next(self._numbers)}")

    # Data ---------------------------------------------------------------------------------------------------------

    def photos(self, number: int, *, linked: bool = False) -> str:
        """Return a folder with one folder per breed and ``number`` JPEGs, the published ones repeated as needed.

        Each file contains its own name as a comment, so that no two have the same bytes unless they are links.

        Args:
            number: the number of images.
            linked: make the repetitions hard links to one copy, so that the disk holds each image once.
        """
        root = self.work / f"photos-{number}{'-linked' if linked else ''}"
        if root.is_dir():
            return str(root)
        self._say(f"laying out {number} photos")
        images = sorted((self.pets / "images").glob("*.jpg"))
        originals: dict[Path, Path] = {}
        for _, (turn, image) in zip(range(number), product(range(1, number + 1), images), strict=False):
            folder = root / image.stem.rsplit("_", 1)[0]
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / f"{image.stem}_{turn}.jpg"
            if linked and image in originals:
                os.link(originals[image], target)
            else:
                target.write_bytes(_with_comment(image.read_bytes(), target.name))
                originals[image] = target
        return str(root)

    def photos_with_masks(self, number: int) -> tuple[str, str]:
        """Return a folder of JPEGs and a folder of trimaps with the same names."""
        root = self.work / f"masks-{number}"
        folders = root / "images", root / "masks"
        if not root.is_dir():
            for folder in folders:
                folder.mkdir(parents=True)
            for image in sorted((self.pets / "images").glob("*.jpg"))[:number]:
                trimap = self.pets / "annotations" / "trimaps" / f"{image.stem}.png"
                for file, folder in zip((image, trimap), folders, strict=True):
                    shutil.copyfile(file, folder / file.name)
        return str(folders[0]), str(folders[1])

    # Recipes ------------------------------------------------------------------------------------------------------

    def recipe(self, data: Mapping[str, Any], backbone: Mapping[str, Any] | None = None, **tables: Any) -> str:
        """Write a recipe with random weights and without augmentation: a linear head on a frozen ResNet50.

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
            "backbone": {"weights": "none", **(backbone or {"name": "ResNet50"})},
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


def _short(arguments: Mapping[str, Any]) -> str:
    shown = {key: Path(value).name if isinstance(value, str) else value for key, value in arguments.items()}
    return ", ".join(f"{key}={value}" for key, value in shown.items() if not isinstance(value, list))


def _with_comment(jpeg: bytes, text: str) -> bytes:
    """Return the JPEG with a comment segment added (COM, ITU-T T.81 B.2.4.5)."""
    comment = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
