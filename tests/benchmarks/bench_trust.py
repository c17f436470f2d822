"""What it costs that a run can be trusted: files checked, bytes hashed, weights proved, checkpoints written."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from bench_line import Goal, Line
from bench_session import Session

HOUR = 3600.0


class Clock:
    """Adds up the seconds that parts of a run take.

    Attributes:
        seconds: name of the part → seconds.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = Lock()

    @contextmanager
    def part(self, name: str, threads: int = 1) -> Iterator[None]:
        """Add the time of the block to a part, divided by the number of threads that run such blocks."""
        began = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + (time.perf_counter() - began) / threads

    def time(self, function: Callable[..., Any], name: str, threads: int = 1) -> None:
        """Time every call of a function of tlkit."""

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.part(name, threads):
                return function(*arguments, **options)

        replace(function, timed)


def replace(function: Callable[..., Any], replacement: Callable[..., Any]) -> None:
    """Replace a function of tlkit in its own module and in every module that has imported it."""
    modules = [module for key, module in sys.modules.items() if key.partition(".")[0] == "tlkit"]
    for module in modules:
        for attribute, value in list(vars(module).items()):
            if value is function:
                setattr(module, attribute, replacement)


def run(recipe: str, out: str) -> dict[str, Any]:
    """Run ``tlkit run`` and time each of these works.

    Returns:
        ``wall`` and ``cpu``: the seconds of the run; ``parts``: the seconds of each work, where those of several
        threads are added up and divided by their number; ``checkpoint_bytes``: the size of the largest checkpoint.
    """
    import os

    import tlkit.data.prepare
    import tlkit.train.loop  # noqa: F401 - imported first, so that replace finds what they have imported
    from tlkit.cli import main
    from tlkit.data.checks.changed_files import changed_samples
    from tlkit.data.checks.check import check_samples
    from tlkit.data.store import decoding
    from tlkit.models.freeze import digests
    from tlkit.report.write_results import write_results
    from tlkit.train.checkpoint import Checkpoints
    from tlkit.train.loop import Training
    from tlkit.train.phase_run import PhaseRun

    clock = Clock()
    clock.time(check_samples, "checking files")
    clock.time(decoding.digests_of, "hashing files", threads=max(2, os.cpu_count() or 2))
    clock.time(changed_samples, "comparing files with their check")
    clock.time(digests, "hashing weights")

    trained: list[float] = []
    train, save, write = Training.run, PhaseRun._save, Checkpoints.write

    def train_and_mark(*arguments: Any, **options: Any) -> Any:
        train(*arguments, **options)
        trained.append(time.perf_counter())

    def mark_and_write_results(*arguments: Any, **options: Any) -> Any:
        clock.seconds["saving the model, loading it again and comparing"] = time.perf_counter() - trained[-1]
        return write_results(*arguments, **options)

    def timed_save(*arguments: Any, **options: Any) -> None:
        with clock.part("checkpoints"):
            save(*arguments, **options)

    sizes: list[int] = []

    def sized_write(self: Checkpoints, state: Any, arrays: Any) -> None:
        write(self, state, arrays)
        sizes.append(sum(array.nbytes for array in arrays.values()))

    Training.run = train_and_mark  # type: ignore[method-assign]
    replace(write_results, mark_and_write_results)
    PhaseRun._save = timed_save  # type: ignore[method-assign]
    Checkpoints.write = sized_write  # type: ignore[method-assign]
    began = time.perf_counter()
    try:
        main(["run", recipe, "--out", out])
    except SystemExit as end:
        if end.code:
            raise
    wall, cpu = time.perf_counter() - began, time.process_time()
    return {"wall": wall, "cpu": cpu, "parts": clock.seconds, "checkpoint_bytes": max(sizes)}


def trust(session: Session) -> list[Line]:
    """Measure the training of all of ResNet50, whose checkpoints are large, with the recipe's own settings."""
    sizes = session.sizes
    recipe = session.photo_recipe(
        sizes.images,
        schedule={"name": "full", "epochs": sizes.trusted_epochs},
        input={"image_size": sizes.small_side, "validation": 0.2},
    )
    measured = session.measure("bench_trust.run", recipe=recipe, out=session.new_folder("run"))
    parts = dict(measured.more["parts"])
    repeated = parts.pop("checkpoints") / measured.wall
    once = sum(parts.values())
    shown = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items())
    return [
        Line(
            "checking, hashing and checkpoints: share of a run of an hour",
            repeated + once / HOUR,
            Goal("≤", 0.02),
            shown=f"{shown}; checkpoints of {measured.more['checkpoint_bytes'] / 1e6:.0f} MB {repeated:.1%} of "
            f"the {measured.wall:.0f} s measured",
            raw={"new": measured},
        )
    ]
