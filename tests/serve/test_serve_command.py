"""``tlkit serve`` as a process: it starts without TensorFlow, answers, watches, and ends when it is asked to."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from command_line import tlkit_command
from served_runs import picture

from tlkit.errors import DataError, RunError
from tlkit.jobs import serve as job
from tlkit.serve.bounds import Bounds


class Process:
    """``tlkit serve`` in a process of its own."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "tlkit", "serve", *map(str, arguments), "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.first = self.process.stdout.readline()
        found = re.search(r"http://\S+", self.first)
        assert found, (self.first, self.process.communicate(timeout=60))
        self.url = found[0]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal; return the exit code, and the rest of what was printed."""
        self.process.send_signal(number)
        self.process.wait(60)
        with self.process.stdout, self.process.stderr:
            out, err = self.process.stdout.read(), self.process.stderr.read()  # also what came with the first line
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_process_serves_until_a_signal_and_ends_well(run, tmp_path, number):
    (tmp_path / "a.png").write_bytes(picture("blue"))
    process = Process(run, "--watch", tmp_path)
    try:
        assert process.first.startswith("Serving tiny by LiteRT: http://127.0.0.1:")
        answer = httpx.post(f"{process.url}/predict", content=picture("green"))
        assert answer.json()["predictions"][0]["label"] == "green"
        written = tmp_path / "predictions" / "a.png.json"
        for _ in range(600):
            if written.exists():
                break
            time.sleep(0.05)
        assert json.loads(written.read_text())["label"] == "blue"
    finally:
        ended = process.end(number)
    assert ended == (0, "Stopped.\n", "")


def test_a_client_that_is_still_sending_is_told_that_the_server_stops(run):
    process = Process(run)
    try:
        with socket.create_connection(("127.0.0.1", int(process.url.rpartition(":")[2]))) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
            time.sleep(0.5)
            process.process.send_signal(signal.SIGTERM)
            client.settimeout(60)
            answer = client.recv(10_000)
    finally:
        code, _, err = process.end(0)  # a second signal would end it at once
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert code == 0
    assert "Traceback" not in err


def test_nothing_of_tensorflow_is_imported_to_serve(run):
    code = f"""
import sys
from pathlib import Path
from tlkit.jobs.serve import ModelOptions, ServeOptions, made, open_model
from tlkit.serve.app import make_app
from tlkit.serve.bounds import Bounds
from tlkit.serve.guard import Access
model = ModelOptions(Path({str(run)!r}))
predictor, levels = open_model(model, print)
assert levels == {{"sets": 0.9}}
served = made(predictor, levels, model, Bounds(), ServeOptions(), print)
make_app(served, Access())
served.workers.start()
heavy = [name for name in ("tensorflow", "keras", "matplotlib", "jinja2", "scipy", "pandas") if name in sys.modules]
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_others_than_this_machine_need_a_token_which_is_made_up(run):
    process = Process(run, "--host", "0.0.0.0")
    try:
        url, _, token = process.url.partition("/#token=")
        assert len(token) > 20
        here = f"http://127.0.0.1:{url.rpartition(':')[2]}"
        assert httpx.get(f"{here}/model").status_code == 401
        assert httpx.get(f"{here}/model", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    finally:
        code, out, _ = process.end()
    assert code == 0
    assert "note: nothing is encrypted" in out


def test_the_page_reads_from_the_url_the_token_that_was_given():
    shown = job._shown_url("http://127.0.0.1:1", "a+b/c=%20&d#é")
    assert parse_qs(shown.partition("#")[2]) == {"token": ["a+b/c=%20&d#é"]}  # as URLSearchParams in a browser


def test_a_port_that_is_taken_is_named(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = tlkit_command("serve", run, "--port", port)
    assert ended.code == 2
    assert ended.err.startswith(f"Error: 127.0.0.1:{port}: can't listen there: Address already in use; expected a free")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "192.0.2.1"], "192.0.2.1:8000: can't listen there"),
        (["--host", "no host"], "--host no host: no address of this machine"),
        (["--host", "a..b"], "--host a..b: no address of this machine: no computer can have this name"),
        (["--token", "a b", "--port", "0"], "--token: has spaces, or characters that no header can have"),
        (["--token", "a\n", "--port", "0"], "--token: has spaces"),
        (["--token", "a\udcff", "--port", "0"], "--token: has spaces"),
        (["--watch", "nowhere", "--port", "0"], "--watch nowhere: no such folder; make it first"),
        (["--watch-out", "somewhere", "--port", "0"], "expected --watch FOLDER as well"),
        (["--sets", "0.999", "--port", "0"], "--sets 0.999: 99 held-out images allow 0.99 at most"),
    ],
)
def test_what_cannot_be_used_is_named(run, arguments, said):
    ended = tlkit_command("serve", run, *arguments)
    assert ended.code == 2
    assert said in ended.err


def test_a_missing_package_gives_the_line_to_type(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(DataError, match=r'needs the package uvicorn.*pip install "tlkit\[serve\]"'):
        job.serve(job.ModelOptions(run), Bounds(), job.ServeOptions(port=0), print)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError):
        job.serve(job.ModelOptions(tmp_path), Bounds(), job.ServeOptions(port=0), print)


def test_bounds_are_more_than_nothing():
    with pytest.raises(DataError, match="--max-images: expected more than 0, received 0"):
        Bounds(images=0)


def test_the_page_is_part_of_the_package():
    import tlkit

    names = {file.name for file in (Path(tlkit.__file__).parent / "serve" / "page").iterdir()}
    assert {"index.html", "page.js", "page.css"} <= names
