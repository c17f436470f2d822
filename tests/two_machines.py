"""Two machines on this one, for tests of clusters: two network namespaces with a cable between them, and Ray in both.

Only root may make them. What is mounted in one is not seen in the other, so they may have folders that differ.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

FIRST, SECOND = "10.77.0.1", "10.77.0.2"
PORT = 6400
_START_SECONDS = 400.0


@dataclass(frozen=True)
class TwoMachines:
    """Two machines that are one Ray cluster.

    Args:
        names: their network namespaces; the first has the head of the cluster.
        environment: the variables of what runs there.
    """

    names: tuple[str, str]
    environment: dict[str, str]

    @property
    def address(self) -> str:
        """The cluster's address."""
        return f"{FIRST}:{PORT}"

    def run(self, *command: object, machine: int = 0, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine, and return what it printed."""
        return subprocess.run(
            ["ip", "netns", "exec", self.names[machine], *map(str, command)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def tlkit(self, *arguments: object, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run ``tlkit ARGUMENTS`` on the first machine."""
        return self.run(sys.executable, "-m", "tlkit", *arguments, timeout=timeout)


@contextmanager
def two_machines(before_second: str = "true") -> Iterator[TwoMachines]:
    """Make two machines, and start Ray in both; skip the test where that is not allowed.

    Args:
        before_second: commands of a shell that the second machine runs first, such as ``mount``.
    """
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("only root can make network namespaces, with the program ip")
    names = (f"tlkit{os.getpid()}a", f"tlkit{os.getpid()}b")
    # Of each machine its own, with a short path: Ray makes sockets in them.
    folders = [Path(tempfile.mkdtemp(prefix="tk", dir="/tmp")) for _ in names]
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = {**kept, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "CUDA_VISIBLE_DEVICES": "-1"}
    environment["PYTHONPATH"] = os.pathsep.join(each for each in sys.path if each)
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=2"]
    ray += ["--object-store-memory=100000000", "--disable-usage-stats"]
    made = TwoMachines(names, environment)
    started: list[subprocess.Popen[bytes]] = []
    try:
        try:
            _connect(names)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces can't be made here: {error.stderr.decode(errors='replace').strip()}")
        head = ["--head", f"--port={PORT}", f"--node-ip-address={FIRST}", "--include-dashboard=false"]
        _start(made, 0, [*ray, *head, f"--temp-dir={folders[0]}"], folders[0], started)
        joins = [*ray, f"--address={made.address}", f"--node-ip-address={SECOND}", f"--temp-dir={folders[1]}"]
        shell = ["sh", "-c", f'{before_second} && exec "$@"', "sh", *joins]
        _start(made, 1, shell, folders[1], started)
        yield made
    finally:
        for name in names:
            _kill_all(name)
        for each in started:
            each.kill()
            each.wait()
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _connect(names: Sequence[str]) -> None:
    """Make two namespaces and a cable between them."""
    first, second = names
    cable = (f"v{os.getpid()}a"[:15], f"v{os.getpid()}b"[:15])
    for command in (
        f"ip netns add {first}",
        f"ip netns add {second}",
        f"ip link add {cable[0]} netns {first} type veth peer name {cable[1]} netns {second}",
        *(f"ip -n {name} link set lo up" for name in names),
        f"ip -n {first} addr add {FIRST}/24 dev {cable[0]}",
        f"ip -n {second} addr add {SECOND}/24 dev {cable[1]}",
        f"ip -n {first} link set {cable[0]} up",
        f"ip -n {second} link set {cable[1]} up",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)


def _start(
    machines: TwoMachines, number: int, command: Sequence[str], folder: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """Start Ray on a machine, again if it gives up as it does on a busy one, and wait until the cluster has it."""
    whole = ["ip", "netns", "exec", machines.names[number], *command]
    end = time.monotonic() + _START_SECONDS
    ray: subprocess.Popen[bytes] | None = None
    while _nodes(machines) != number + 1:
        assert time.monotonic() < end, f"Ray did not start:\n{(folder / 'ray.log').read_text()[-2000:]}"
        if ray is None or ray.poll() is not None:
            with (folder / "ray.log").open("wb") as log:
                ray = subprocess.Popen(
                    whole,
                    env=machines.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            started.append(ray)
        time.sleep(1)


def _nodes(machines: TwoMachines) -> int:
    """Return how many nodes the cluster has; 0 if it does not answer."""
    code = (
        f"import socket; socket.create_connection(('{FIRST}', {PORT}), 2).close(); import ray; "
        f"ray.init('{machines.address}', log_to_driver=False, logging_level='ERROR'); "
        "print(sum(each['Alive'] for each in ray.nodes()))"
    )
    try:
        asked = machines.run(sys.executable, "-c", code, timeout=90)
    except subprocess.TimeoutExpired:
        return 0
    return int(asked.stdout.strip() or 0) if asked.returncode == 0 else 0


def _kill_all(name: str) -> None:
    """Kill the processes of a namespace."""
    listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    for process in listed.stdout.split():
        with suppress(OSError):
            os.kill(int(process), signal.SIGKILL)
