"""``tlkit serve`` with what strangers send: every request is answered, and the memory is bounded."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from messy import FILES, png_of
from served_runs import COLORS, listening, picture, served_app

import tlkit
from tlkit.serve.bounds import Bounds

SECONDS = 0.5


@pytest.fixture(scope="module")
def url(run: Path) -> Iterator[str]:
    """A server that waits for a request as long as by default."""
    with served_app(run, Bounds(seconds=30)) as (_, app), listening(app) as url:
        yield url


@pytest.fixture(scope="module")
def hasty_url(run: Path) -> Iterator[str]:
    """A server that waits half a second for a request, and a second for the next one: for clients that hang, as a
    client that keeps connections may send a request on one that is being closed."""
    with served_app(run, Bounds(seconds=30)) as (_, app), listening(app, SECONDS, idle=1) as url:
        yield url


def raw(url: str, *parts: bytes, wait: bool = True) -> bytes:
    """Send parts of a request, and return all that comes back until the server closes the connection."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while wait and (some := connection.recv(65536)):
            answer += some
        return answer


def is_healthy(url: str) -> bool:
    return httpx.get(f"{url}/health").json() == {"status": "ok"}


def test_odd_files_are_answered_as_tlkit_predict_judges_them(url, run):
    files = [(name, content(number)) for number in range(4) for name, (content, _) in FILES.items()]
    assert len(files) > 200
    expected = tlkit.load(run).predict([content for _, content in files])
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(8) as threads:

        def ask(file):
            return client.post(f"{url}/predict", files={"image": file})

        answers = list(threads.map(ask, files))
    for (name, _), answer, own in zip(files, answers, expected, strict=True):
        if answer.status_code == 200:
            [found] = answer.json()["predictions"]
            assert own.error is None, name
            assert (found["name"], found["label"]) == (name, own.label)
        else:
            assert answer.status_code == 422, (name, answer.text)
            # An image of 400 megapixels is refused sooner than by tlkit predict.
            assert own.error is not None, (name, answer.text)
            assert answer.json()["detail"].startswith(f"{name}: ")
    assert is_healthy(url)


def test_three_hundred_requests_of_32_clients_are_all_answered_as_by_tlkit_predict(url, run):
    contents = [picture(color, (20 + n, 30 + n % 7), "JPEG") for n in range(100) for color in COLORS]
    expected = tlkit.load(run).predict(contents)

    def ask(content):
        for _ in range(100):
            answer = client.post(f"{url}/predict", content=content)
            if answer.status_code != 429:
                return answer.json()["predictions"][0]["probabilities"]
            time.sleep(0.05)
        raise AssertionError("refused 100 times")

    limits = httpx.Limits(max_connections=32)
    with httpx.Client(timeout=60, limits=limits) as client, ThreadPoolExecutor(32) as threads:
        found = list(threads.map(ask, contents))
    assert found == [{name: round(value, 6) for name, value in each.probabilities.items()} for each in expected]


@pytest.mark.parametrize(
    "parts",
    [
        (b"POST /predict HTTP/1.1\r\nHost: local",),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /health HTTP/1.1\r\nHost:"),
    ],
    ids=["first", "second"],
)
def test_a_client_that_hangs_in_the_headers_is_told_so(hasty_url, parts):
    answer = raw(hasty_url, *parts)
    assert b"HTTP/1.1 408 " in answer
    assert b"the request was not complete after 0.5 s" in answer


def test_a_client_that_says_nothing_is_closed(hasty_url):
    assert raw(hasty_url) == b""
    assert raw(hasty_url, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").endswith(b'{"status":"ok"}')


def test_a_connection_is_kept_for_the_next_request_longer_than_a_client_may_hang_in_one(run):
    with served_app(run) as (_, app), listening(app, SECONDS) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            for _ in range(2):
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                time.sleep(3 * SECONDS)
                assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            connection.sendall(b"GET /health HTTP/1.1\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_hangs_in_the_body_is_told_so(run):
    with served_app(run, Bounds(seconds=SECONDS)) as (_, app), listening(app, 1) as url:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
        answer = raw(url, head, b"half of it")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert answer.endswith(b'{"detail":"the request was not complete after 0.5 s"}')
        assert app._working == 0


def test_clients_that_leave_take_nothing_with_them(run):
    with served_app(run, Bounds(megabytes=0.1)) as (_, app), listening(app) as url:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n"
        for _ in range(30):  # more than the memory of all requests
            raw(url, head, bytes(80_000), wait=False)
        for _ in range(200):
            if app._working == 0:
                break
            time.sleep(0.05)
        assert httpx.post(f"{url}/predict", content=picture("red")).status_code == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"GET / HTTP/1.1\r\n no header\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: minus\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["tls", "header", "length", "chunk", "line"],
)
def test_garbage_is_answered(url, garbage):
    answer = raw(url, garbage)
    assert re.match(rb"HTTP/1.1 4\d\d ", answer)
    assert b"Traceback" not in answer
    assert is_healthy(url)


@pytest.mark.parametrize("length", [b"Content-Length: %d\r\n", b"Transfer-Encoding: chunked\r\n"], ids=["told", "not"])
def test_a_body_that_is_too_large_is_refused_while_it_is_sent(url, length):
    size = 200 * 2**20
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += (length % size if b"%d" in length else length) + b"\r\n"
    block = bytes(2**20) if b"%d" in length else b"100000\r\n" + bytes(2**20) + b"\r\n"
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(head)
        try:
            for _ in range(200):
                connection.sendall(block)
        except OSError:
            pass  # it was closed after the answer
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    assert is_healthy(url)


def test_a_picture_whose_header_lies_costs_nothing(url):
    for width, height, reason in ((60_000, 60_000, "too large"), (2**31 - 1, 2**31 - 1, "too large"), (7000, 7000, "")):
        answer = httpx.post(f"{url}/predict", content=png_of(width, height), timeout=60)
        assert answer.status_code == 422
        assert reason in answer.json()["detail"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process in /proc")
def test_ten_gigabytes_of_zeros_are_answered_in_bounded_memory(run):
    command = [sys.executable, "-m", "tlkit", "serve", str(run), "--port", "0", "--memory", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            url = re.search(r"http://\S+", process.stdout.readline())[0]
            before = most_memory(process.pid)
            with ThreadPoolExecutor(8) as threads:
                answers = list(threads.map(lambda _: ten_gigabytes(url), range(2)))
            assert all(b" 413 " in answer for answer in answers)
            assert is_healthy(url)
            assert most_memory(process.pid) - before < 200e6
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 0


def ten_gigabytes(url: str) -> bytes:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n")
        block = bytes(10**6)
        try:
            for _ in range(10_000):
                connection.sendall(block)
        except OSError:
            pass
        return connection.recv(100)


def most_memory(pid: int) -> int:
    """Return the most bytes that a process has had in memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return 1000 * int(re.search(r"VmHWM:\s+(\d+)", text)[1])
