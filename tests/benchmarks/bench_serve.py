"""What ``tlkit serve`` costs: images a second of many clients at once, beside a bare loop over LiteRT."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from bench_line import Goal, Line
from bench_session import Session

CLIENTS = 32
_TRAINED_ON = 100


def serve(session: Session) -> list[Line]:
    """Compare 32 clients of one server with a loop that decodes the same files and calls LiteRT."""
    sizes = session.sizes
    recipe = session.photo_recipe(
        min(sizes.images, _TRAINED_ON),
        {"name": "MobileNetV2", "weights": "none"},
        input={"image_size": 224, "validation": 0.2},
        schedule={"name": "frozen", "epochs": 1},
    )
    run = session.run(session.builds["new"], recipe).more["run"]
    arguments = {"run": run, "photos": session.photos(sizes.images), "count": 300}
    best = session.in_turn(
        sizes.rounds,
        served=lambda: session.measure("bench_serve.served", **arguments),
        bare=lambda: session.measure("bench_serve.bare", **arguments),
    )
    ours, bare = best["served"], best["bare"]
    return [
        Line(
            f"images per second of tlkit serve, {CLIENTS} clients, MobileNetV2 at 224: over a bare loop over LiteRT",
            bare.wall / ours.wall,
            Goal("≥", 0.8),
            f"{300 / ours.wall:.1f}/s, 99 % within {ours.more['p99']:.2f} s, {ours.cpu / 0.3:.1f} ms of the processor "
            f"each; bare {300 / bare.wall:.1f}/s, {bare.cpu / 0.3:.1f} ms; started in {ours.more['start']:.2f} s with "
            f"{ours.more['memory'] / 1e6:.0f} MB",
            raw=best,
        )
    ]


def served(run: str, photos: str, count: int) -> dict[str, float]:
    """Ask a server with many clients at once; return the seconds for all images, and the 99th percentile of one."""
    contents = _contents(photos, count)
    with _server(run) as (url, started, process):
        address = urlsplit(url)
        seconds: list[float] = []

        def ask(client: _Client, content: bytes) -> None:
            began = time.perf_counter()
            client.ask(content)
            seconds.append(time.perf_counter() - began)

        memory, before = process.memory(), process.seconds()
        wall, _ = _in_threads(CLIENTS, contents, lambda: _Client(str(address.hostname), int(address.port or 0)), ask)
        cpu = (process.seconds() - before) * count / (count + CLIENTS)  # each client has asked once before
    p99 = sorted(seconds)[int(0.99 * len(seconds))]
    return {"wall": wall, "cpu": cpu, "p99": p99, "start": started, "memory": memory}


def bare(run: str, photos: str, count: int) -> dict[str, float]:
    """Decode each image by Pillow and call LiteRT, in a thread per processor, without tlkit."""
    import io

    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from PIL import Image

    content = (Path(run) / "model.tflite").read_bytes()

    def make() -> Any:
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        return interpreter

    def compute(interpreter: Any, image: bytes) -> None:
        place = interpreter.get_input_details()[0]
        _, height, width, _ = place["shape"]
        picture = Image.open(io.BytesIO(image))
        picture.draft("RGB", (width * 2, height * 2))
        pixels = np.asarray(picture.convert("RGB").resize((width, height)), np.float32)[None]
        interpreter.set_tensor(place["index"], pixels)
        interpreter.invoke()
        interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    wall, cpu = _in_threads(len(os.sched_getaffinity(0)), _contents(photos, count), make, compute)
    return {"wall": wall, "cpu": cpu}


def _contents(photos: str, count: int) -> list[bytes]:
    files = sorted(Path(photos).rglob("*.jpg"))
    return [files[number % len(files)].read_bytes() for number in range(count)]


def _in_threads(
    threads: int, contents: list[bytes], make: Callable[[], Any], work: Callable[[Any, bytes], None]
) -> tuple[float, float]:
    """Return the wall and processor seconds in which threads work on all contents, each thread with what it made."""
    queue: SimpleQueue[bytes] = SimpleQueue()
    for each in contents:
        queue.put(each)
    ready = threading.Barrier(threads + 1)

    def run() -> None:
        own = make()
        work(own, contents[0])
        ready.wait()
        while True:
            try:
                content = queue.get_nowait()
            except Empty:
                return
            work(own, content)

    started = [threading.Thread(target=run) for _ in range(threads)]
    for each in started:
        each.start()
    ready.wait()
    wall, cpu = time.perf_counter(), time.process_time()
    for each in started:
        each.join()
    return time.perf_counter() - wall, time.process_time() - cpu


class _Client:
    """Asks over one connection. It computes on the processors of the server, so it does as little as a client can:
    ``http.client`` takes a millisecond for what takes 0.2 here."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._head = f"POST /predict HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: image/jpeg\r\nContent-Length: "

    def ask(self, content: bytes) -> None:
        """Send an image and read its prediction."""
        self._socket.sendall(f"{self._head}{len(content)}\r\n\r\n".encode() + content)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        size = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert size is not None, head
        while len(body) < int(size[1]):
            body += self._more()
        assert json.loads(body)["predictions"][0]["label"]

    def _more(self) -> bytes:
        received = self._socket.recv(65536)
        assert received, "the server closed the connection"
        return received


class _Process:
    """What Linux says of a process."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def memory(self) -> float:
        """Return the bytes that it has in memory."""
        found = re.search(r"VmRSS:\s+(\d+)", (self._folder / "status").read_text(encoding="utf-8"))
        assert found is not None
        return 1024.0 * int(found[1])

    def seconds(self) -> float:
        """Return the seconds of a processor that it has taken."""
        fields = (self._folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _server(run: str) -> Iterator[tuple[str, float, _Process]]:
    """Start ``tlkit serve``; yield its URL, the seconds until it answered, and its process."""
    command = [sys.executable, "-m", "tlkit", "serve", run, "--port", "0", "--memory", "none"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None
            address = urlsplit(found[0])
            connection = http.client.HTTPConnection(str(address.hostname), address.port)
            connection.request("GET", "/health")
            assert connection.getresponse().status == 200
            yield found[0], time.perf_counter() - began, _Process(process.pid)
        finally:
            process.terminate()
            process.communicate(timeout=60)
