"""A cluster that ``ray start`` made, joined by each kind of address; and addresses that are almost right."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from evaluate_fakes import make_card
from lite_runs import saved_run
from photos import write_photos
from waiting import wait_until
from worker_runs import write_recipe

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="Ray has no cluster there")]


class Head:
    """A cluster of two processors, and a run and photos to predict there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.client_port = free_port(), free_port()
        self.environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        self.environment |= {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
        self.environment.pop("RAY_ADDRESS", None)
        self.run = saved_run(folder / "run", make_card()).path
        write_photos(folder / "photos", {"red": 30, "blue": 30}, (20, 20))

    def predict(self, *options: str, **environment: str) -> tuple[int, str]:
        """Predict the photos; return the exit code and what it said."""
        command = [sys.executable, "-m", "tlkit", "predict", self.run, "photos", *options]
        ended = subprocess.run(
            command, cwd=self.folder, env={**self.environment, **environment}, capture_output=True, text=True
        )
        return ended.returncode, ended.stderr

    def predicted(self, name: str, *options: str, **environment: str) -> bytes:
        """Return the table of the predictions, on the cluster if there are options."""
        code, said = self.predict("--out", f"{name}.csv", *options, **environment)
        assert code == 0, said
        assert ("joined: process" in said) == bool(options)
        return (self.folder / f"{name}.csv").read_bytes()


def free_port() -> int:
    """Return a port that no program listens at, and none of Ray's workers uses."""
    for port in range(6500 + os.getpid() % 1000, 9900):
        with socket.socket() as each:
            if each.connect_ex(("127.0.0.1", port)) and port not in _given:
                _given.add(port)
                return port
    raise AssertionError("no port is free")


_given: set[int] = set()


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    made = Head(tmp_path_factory.mktemp("addresses"))
    place = Path(tempfile.mkdtemp(prefix="tk", dir="/tmp"))  # short: Ray makes sockets there
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2"]
    command += [f"--port={made.port}", f"--ray-client-server-port={made.client_port}", f"--temp-dir={place}"]
    command += ["--include-dashboard=false", "--object-store-memory=100000000", "--disable-usage-stats"]
    with (place / "log").open("wb") as log:
        ray = subprocess.Popen(command, env=made.environment, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: b"This command will now block" in (place / "log").read_bytes(), "the start of Ray", ray)
        yield made
    finally:
        os.killpg(ray.pid, signal.SIGKILL)
        ray.wait()
        shutil.rmtree(place, ignore_errors=True)


def test_each_kind_of_address_gives_the_bytes_of_one_process(head):
    alone = head.predicted("alone")
    assert head.predicted("address", "--cluster", f"127.0.0.1:{head.port}") == alone
    assert head.predicted("client", "--cluster", f"ray://127.0.0.1:{head.client_port}") == alone
    variable = f"127.0.0.1:{head.port}"
    assert head.predicted("variable", "--cluster", "auto", RAY_ADDRESS=variable) == alone


@pytest.mark.parametrize("kind", ["client", "cluster", "nothing"])
def test_a_port_of_the_other_kind_is_an_error_within_a_minute(head, kind):
    address = {"client": f"127.0.0.1:{head.client_port}", "cluster": f"ray://127.0.0.1:{head.port}"}
    began = time.monotonic()
    code, said = head.predict("--cluster", address.get(kind, f"127.0.0.1:{free_port()}"))
    assert time.monotonic() - began < 60
    assert code == 2
    assert "Traceback" not in said
    assert "Error: --cluster " in said
    assert ("ray start --head" if kind == "nothing" else "HOST:PORT has the port of the cluster") in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--set", "cluster.cpus=1000"),
            "no machine of it has 1000 processors and 0 GPUs for a worker; they have",
        ),
        (("--set", "cluster.gpus=1"), "no machine of it has 1 processors and 1 GPUs for a worker; they have"),
        (("--workers", "5"), "has room for 2 with 1 processors and 0 GPUs each; ask for fewer"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_no_machine_has_is_said_before_any_image_is_looked_for(head, options, message):
    recipe = write_recipe(head.folder)
    own = (*options, "--out", head.folder / "new", "--cluster", f"127.0.0.1:{head.port}")
    command = [sys.executable, "-m", "tlkit", "run", recipe, *map(str, own)]
    began = time.monotonic()
    ended = subprocess.run(command, cwd=head.folder, env=head.environment, capture_output=True, text=True)
    assert time.monotonic() - began < 60
    assert ended.returncode == 2, ended.stderr
    assert message in ended.stderr
    assert "images" not in ended.stderr.partition("Error")[0]
