"""The rows about how a run scales: its memory, its time per image, and many small images."""

from __future__ import annotations

import resource
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench_builds import Build
from bench_line import Goal, Line
from bench_process import Figures
from bench_session import PLUGIN, Session

SMALL = {"name": "MobileNetV2", "alpha": 0.35, "weights": "none"}
FEW = 100


def memory(session: Session) -> list[Line]:
    """Compare the peak memory of a whole run on many photos with that on few."""
    sizes = session.sizes
    inputs = {"image_size": sizes.small_side, "validation": 0.2}
    few, many = (
        session.run(session.builds["new"], session.photo_recipe(number, SMALL, linked=True, input=inputs))
        for number in sizes.memory
    )
    shown = f"{many.memory / 1e6:.0f} MB, {few.memory / 1e6:.0f} MB"
    what = f"peak memory with {sizes.memory[1]} photos over that with {sizes.memory[0]}"
    return [Line(what, many.memory / few.memory, Goal("≤", 1.1), shown, raw={"few": few, "many": many})]


def growth(session: Session) -> list[Line]:
    """Compare what a photo costs in a frozen run with more and more photos, without what the run costs anyway."""
    build, numbers = session.builds["new"], session.sizes.growth
    fixed, *runs = (
        session.run(build, session.photo_recipe(number, linked=True))
        for number in (min(FEW, numbers[0] // 2), *numbers)
    )
    few = min(FEW, numbers[0] // 2)
    each = [1000 * (run.wall - fixed.wall) / (number - few) for number, run in zip(numbers, runs, strict=True)]
    return [
        Line(
            f"time per photo of a frozen ResNet50 with {', '.join(map(str, numbers))} photos: greatest over least",
            max(each) / min(each),
            Goal("≤", 1.1),
            ", ".join(f"{value:.1f} ms" for value in each),
            raw={str(number): run for number, run in zip(numbers, runs, strict=True)},
        )
    ]


def many(session: Session) -> list[Line]:
    """Compare the start of a run on many small images, up to its first epoch, with decoding them; and its memory."""
    sizes = session.sizes
    fewer, most = sizes.many
    recipes = {
        number: session.recipe(
            {"name": "folder", "path": session.small_images(number)},
            {"name": "small_encoder", "filters": [8, 16], "convs": 1},
            input={"image_size": sizes.tiny_side, "validation": 0.1},
            schedule={"name": "full", "epochs": 1},
        )
        for number in sizes.many
    }

    def to_first_epoch(build: Build, number: int) -> Figures:
        stop = {"TLKIT_BENCHMARK_CLOCK": session.new_folder("clock"), "TLKIT_BENCHMARK_STOP": "1"}
        out = session.new_folder("run")
        return session.tlkit(build, "--plugin", str(PLUGIN), "run", recipes[number], "--out", out, **stop)

    best = session.in_turn(
        1,
        **session.of_each_build(lambda build: to_first_epoch(build, most)),
        decoding=lambda: session.measure("bench_scale.decode", folder=session.small_images(most), side=sizes.tiny_side),
    )
    few = to_first_epoch(session.builds["new"], fewer)
    ours, decoding = best["new"], best["decoding"]
    return [
        Line(
            f"{most} images of 96×72 in {sizes.folders} folders: from the start to the first epoch, over decoding them",
            ours.wall / decoding.wall,
            Goal("≤", 1.3),
            f"{ours.wall:.1f} s, decoding {decoding.wall:.1f} s",
            old=ours.over(best["old"]) if "old" in best else None,
            raw=best,
        ),
        Line(
            f"the same: peak memory over that of {fewer}",
            ours.memory / few.memory,
            Goal("≤", 1.2),
            f"{ours.memory / 1e6:.0f} MB, {few.memory / 1e6:.0f} MB",
            raw={"few": few},
        ),
    ]


def decode(folder: str, side: int) -> dict[str, Any]:
    """Read, decode and resize the JPEGs of a folder with Pillow alone, in as many processes as there are cores."""
    began = time.perf_counter()
    files = sorted(Path(folder).glob("*/*.jpg"))
    with get_context("fork").Pool() as pool:
        count = sum(pool.imap_unordered(_decode, ((str(file), side) for file in files), chunksize=500))
        pool.close()
        pool.join()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(each.ru_utime + each.ru_stime for each in used)
    return {"wall": time.perf_counter() - began, "cpu": cpu, "images": count}


def _decode(arguments: tuple[str, int]) -> int:
    from PIL import Image

    file, side = arguments
    with Image.open(file) as image:
        image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    return 1
