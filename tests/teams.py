"""Start the workers of a training as processes, and compare what they did."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

WORKER = Path(__file__).with_name("team_worker.py")


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(size: int, folder: Path, recipes: Sequence[Path], **environ: str) -> list[subprocess.Popen[str]]:
    """Start workers that train recipes; ``{rank}`` in a variable of their environment is the number of the worker."""
    return start_processes(size, [str(WORKER), str(folder), *map(str, recipes)], **environ)


def start_processes(size: int, arguments: Sequence[str], **environ: str) -> list[subprocess.Popen[str]]:
    """Start Python processes that form a team; ``environ`` is as for ``start``."""
    ports = free_ports(size)
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    started = []
    for rank in range(size):
        # One thread each: the order of a sum must not depend on how busy the machine is.
        threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "2"}
        own = {name: value.format(rank=rank) for name, value in environ.items()}
        variables = {**os.environ, **threads, "CUDA_VISIBLE_DEVICES": "-1", **own}
        variables.pop("TF_CONFIG", None)
        if size > 1:
            variables["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": rank}})
        command, pipe = [sys.executable, *arguments], subprocess.PIPE
        started.append(subprocess.Popen(command, env=variables, stdout=pipe, stderr=subprocess.STDOUT, text=True))
    return started


def finish(workers: Sequence[subprocess.Popen[str]], timeout: float = 1800) -> list[str]:
    """Wait for the workers, and return what each wrote; all are ended when one takes too long."""
    try:
        return [worker.communicate(timeout=timeout)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()


def trained(size: int, folder: Path, recipes: Sequence[Path], **environ: str) -> Path:
    """Train recipes with some workers in a new folder, and return it."""
    folder.mkdir()
    workers = start(size, folder, recipes, **environ)
    outputs = finish(workers)
    for worker, output in zip(workers, outputs, strict=True):
        assert worker.returncode == 0, output
    return folder


def variables(run: Path, rank: int = 0) -> Mapping[str, np.ndarray]:
    """Return the variables with which a worker ended a run, by name."""
    with np.load(run / f"worker-{rank}.npz") as file:
        return dict(file)


def facts(run: Path, rank: int = 0) -> dict[str, Any]:
    """Return what a worker noted about a run."""
    found: dict[str, Any] = json.loads((run / f"worker-{rank}.json").read_text(encoding="utf-8"))
    return found


def largest_difference(run: Path, other: Path) -> float:
    """Return the largest difference between the variables of two runs."""
    ours, theirs = variables(run), variables(other)
    assert ours.keys() == theirs.keys()
    return max(float(np.abs(ours[name].astype(float) - theirs[name].astype(float)).max()) for name in ours)


def history(run: Path) -> list[dict[str, str]]:
    """Return the rows of ``metrics.csv``."""
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def largest_metric_difference(run: Path, other: Path) -> float:
    """Return the largest difference between the metrics of all epochs of two runs."""
    ours, theirs = history(run), history(other)
    assert [row["epoch"] for row in ours] == [row["epoch"] for row in theirs]
    names = [name for name in ours[0] if name not in ("phase", "epoch")]
    pairs = zip(ours, theirs, strict=True)
    return max(abs(float(one[name]) - float(two[name])) for one, two in pairs for name in names)


def write_images(folder: Path) -> tuple[Path, Path]:
    """Write 161 training, 33 validation and 16 test images; return a file with labels and one with masks.

    The labels and the masks can be learned from the colours; a part of each mask is to be ignored.
    """
    generator = np.random.default_rng(0)
    labels, masks = {}, {}
    for split, count in (("train", 161), ("val", 33), ("test", 16)):
        images = generator.integers(0, 255, (count, 16, 16, 3)).astype(np.uint8)
        numbers = generator.integers(0, 3, count)
        images[np.arange(count), :, :, numbers] //= 2
        labels |= {f"x_{split}": images, f"y_{split}": numbers}
        pixels = (images[..., 0] > 100).astype(np.uint8) + (images[..., 1] > 100)
        pixels[:, : 1 + int(numbers[0])] = 255
        pixels[0] = 255
        masks |= {f"x_{split}": images, f"mask_{split}": pixels}
    files = folder / "labels.npz", folder / "masks.npz"
    for file, arrays in zip(files, (labels, masks), strict=True):
        np.savez(file, **arrays)
    return files


def moved(run: Path, other: Path) -> float:
    """Return the largest difference between the last and the first epoch's losses: what training changed at all."""
    losses = [float(row["loss"]) for each in (run, other) for row in history(each)]
    return max(losses) - min(losses)


def assert_alike(one: Path, several: Path, weights: float, metrics: float) -> None:
    """Check that two runs of a recipe trained something, and that they differ by little.

    Args:
        one: the run of one process or device.
        several: that of several.
        weights: the largest difference that any variable may have.
        metrics: the same of the metrics of any epoch.
    """
    assert moved(one, several) > 1e-3
    assert largest_difference(one, several) <= weights
    assert largest_metric_difference(one, several) <= metrics


def assert_same_epoch(one: Path, several: Path) -> None:
    """Check that two runs kept the weights of the same epoch."""
    assert facts(one)["best"] == facts(several)["best"]
