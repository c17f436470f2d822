"""The figures of ``scale_plan``: what each step costs on this machine, in seconds of one processor.

They are processor time, which other work on the machine changes little, except where several processes or the disk are
measured: that needs an otherwise idle machine.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 224
PROGRAM = Path(__file__).with_name("scale_worker.py")
ALL_REDUCE = (1_000, 8_000_000)
"""Sizes of the sums that are timed, in float32 numbers."""


def seconds_of(work: Callable[[], object], times: int = 1) -> float:
    """Return the processor seconds of a call, the least of three rounds."""
    rounds = []
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - began) / times)
    return min(rounds)


def photos_of(folder: Path, count: int) -> list[Path]:
    """Return photos of the Oxford-IIIT Pet data set."""
    found = sorted((folder / "pets" / "images").glob("*.jpg"))
    photos = found[:: max(1, len(found) // count)][:count]
    if not photos:
        raise SystemExit(f"no photos in {folder / 'pets' / 'images'}; name the folder with --data or TLKIT_TEST_DATA")
    return photos


def measure(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure all figures, and return them as ``scale_plan.Costs`` has them.

    Args:
        folder: the folder with ``pets/images``.
        say: prints a line.
    """
    photos = photos_of(folder, 64)
    figures: dict[str, Any] = {}

    def note(name: str, value: Any) -> None:
        figures[name] = value
        say(f"{name}: {value}")

    note("stored", sum(photo.stat().st_size for photo in photos) / len(photos))
    images = _decoded(photos, note)
    _networks(images, note)
    _training(images, note)
    with tempfile.TemporaryDirectory() as temporary:
        note("listing", _listing(Path(temporary)))
        note("kept", _kept(Path(temporary)))
    note("task", _task())
    latency, rate = all_reduce(2)
    note("sum_latency", latency)
    note("reduced", rate)
    return figures


def _decoded(photos: Sequence[Path], note: Callable[[str, Any], None]) -> np.ndarray:
    from tlkit.data.images.decode import decode_to_size

    images: list[np.ndarray] = []

    def decode() -> None:
        images.clear()
        images.extend(decode_to_size(photo, photo.read_bytes(), (SIDE, SIDE), "crop")[0] for photo in photos)

    note("decode", seconds_of(decode) / len(photos))
    return np.stack(images)


def _networks(images: np.ndarray, note: Callable[[str, Any], None]) -> None:
    import keras

    from tlkit.models.convert import convert_to_litert
    from tlkit.models.litert import LiteRTNetwork
    from tlkit.models.openvino_network import OpenVINONetwork

    passes = {}
    floats = images.astype(np.float32)
    for name in ("MobileNetV2", "ResNet50"):
        kind, shape = getattr(keras.applications, name), (SIDE, SIDE, 3)
        content = convert_to_litert(kind(weights=None, include_top=False, pooling="avg", input_shape=shape))
        networks = {"litert": LiteRTNetwork(content, 1), "openvino": OpenVINONetwork(content, threads=1)}
        for engine, network in networks.items():
            network(floats[:2])
            passes[f"{name} {engine}"] = seconds_of(partial(network, floats[:16])) / 16
    note("passes", passes)


def _training(images: np.ndarray, note: Callable[[str, Any], None]) -> None:
    import keras
    import tensorflow as tf

    def step_of(model: Any, values: np.ndarray, classes: int) -> Callable[[], object]:
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(model.trainable_variables)
        labels = tf.zeros([len(values)], tf.int32)

        @tf.function
        def step(inputs: Any) -> Any:
            with tf.GradientTape() as tape:
                logits = model(inputs, training=False)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        given = tf.constant(values)
        step(given)
        return lambda: step(given).numpy()

    def seconds(make: Callable[[], Any], values: np.ndarray, times: int) -> float:
        return seconds_of(step_of(make(), values, 1000), times)

    def top() -> Any:
        return keras.Sequential([keras.Input((1280,)), keras.layers.Dense(1000)])

    few, many = (seconds(top, np.zeros((count, 1280), np.float32), 20) for count in (32, 1024))
    note("head", (many - few) / (1024 - 32))
    note("step", max(few - 32 * (many - few) / (1024 - 32), 0.0))
    floats = images[:8].astype(np.float32)
    note("train", seconds(lambda: keras.applications.ResNet50(weights=None, classes=1000), floats, 1) / len(floats))


def _listing(folder: Path, count: int = 100_000) -> float:
    for number in range(count // 1000):
        (folder / f"{number:03d}").mkdir()
        for file in range(1000):
            (folder / f"{number:03d}" / f"{file:04d}.jpg").touch()
    from tlkit.files import images_in

    return seconds_of(lambda: sum(1 for _ in images_in(folder))) / count


def _kept(folder: Path) -> float:
    """Return the bytes a second of writing a file as a checkpoint is written, of wall time."""
    from tlkit.system.disk import write_atomically

    content = np.random.default_rng(0).bytes(200_000_000)
    began = time.perf_counter()
    hashlib.sha256(content).hexdigest()
    write_atomically(folder / "checkpoint", content)
    return len(content) / (time.perf_counter() - began)


def _task(count: int = 2000) -> float:
    """Return the wall seconds of a task of Ray that does nothing, with two workers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        nothing = ray.remote(lambda: None)
        ray.get([nothing.remote() for _ in range(20)])
        began = time.perf_counter()
        ray.get([nothing.remote() for _ in range(count)])
        return (time.perf_counter() - began) / count
    finally:
        ray.shutdown()


def all_reduce(workers: int) -> tuple[float, float]:
    """Return the seconds of an all-reduce of next to nothing, and the bytes a second of a large one, wall time."""
    ports = []
    sockets = [socket.socket() for _ in range(workers)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
        ports.append(each.getsockname()[1])
    for each in sockets:
        each.close()
    processes = []
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    for rank in range(workers):
        task = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": rank}})
        command = [sys.executable, str(PROGRAM), "all-reduce", *map(str, ALL_REDUCE)]
        environment = {**os.environ, **quiet, "TF_CONFIG": task}
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    answers = [json.loads(process.communicate(timeout=300)[0].splitlines()[-1]) for process in processes]
    small, large = answers[0]
    bytes_ = 4 * (ALL_REDUCE[1] - ALL_REDUCE[0])
    # The formula of scale_plan.ring: each worker sends 2 (N - 1) / N of the bytes.
    return small, 2 * (workers - 1) / workers * bytes_ / max(large - small, 1e-9)
