"""Download files from a server on this machine."""

from __future__ import annotations

import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tlkit import DataError, download

BODY = bytes(range(256)) * 4000
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if server.knows_if_range and self.headers.get("If-Range", server.version) != server.version:
            start = 0
        server.starts.append(start)
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(server.body) - start))
        if server.version:
            self.send_header(server.version_header, server.version)
        self.end_headers()
        end = server.cut_at if server.cut_at else len(server.body)
        server.cut_at = 0
        self.wfile.write(server.body[start:end])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.starts, made.cut_at, made.body = [], 0, BODY
    made.version, made.version_header, made.knows_if_range = "", "ETag", True
    made.url = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_file_is_downloaded_once(server, tmp_path):
    for _ in range(2):
        file = download(f"{server.url}/a", tmp_path / "cache", "a.bin", DIGEST, what="a file")
        assert file.read_bytes() == BODY
    assert server.starts == [0]


def test_an_interrupted_download_is_resumed(server, tmp_path):
    server.cut_at = 100_000
    with pytest.raises(DataError, match=r"a file: can't download"):
        download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file")
    assert not (tmp_path / "a.bin").exists()
    file = download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file")
    assert file.read_bytes() == BODY
    assert server.starts[1] > 0


def interrupt(server, folder):
    server.cut_at = 100_000
    with pytest.raises(DataError, match=r"the connection ended"):
        download(f"{server.url}/a", folder, "a.bin", None, what="a file")


@pytest.mark.parametrize(("header", "version"), [("ETag", '"one"'), ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")])
def test_without_a_digest_an_interrupted_download_is_resumed_if_the_file_is_unchanged(
    server, tmp_path, header, version
):
    server.version_header, server.version = header, version
    interrupt(server, tmp_path)
    assert download(f"{server.url}/a", tmp_path, "a.bin", None, what="a file").read_bytes() == BODY
    assert server.starts[1] > 0
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("knows_if_range", [True, False])
def test_without_a_digest_a_file_that_changed_is_downloaded_from_the_start(server, tmp_path, knows_if_range):
    server.version, server.knows_if_range = '"one"', knows_if_range
    interrupt(server, tmp_path)
    server.version, server.body = '"two"', BODY[::-1]
    assert download(f"{server.url}/a", tmp_path, "a.bin", None, what="a file").read_bytes() == BODY[::-1]
    asked_again = len(server.starts) > 2
    assert asked_again != knows_if_range


@pytest.mark.parametrize("version", ["", 'W/"weak"'])
def test_without_a_digest_or_a_version_an_interrupted_download_starts_over(server, tmp_path, version):
    server.version = version
    interrupt(server, tmp_path)
    server.body = BODY[::-1]
    assert download(f"{server.url}/a", tmp_path, "a.bin", None, what="a file").read_bytes() == BODY[::-1]
    assert server.starts == [0, 0]


def test_a_wrong_digest_is_refused_and_does_not_block_the_next_attempt(server, tmp_path):
    with pytest.raises(DataError, match="does not have the expected digest"):
        download(f"{server.url}/a", tmp_path, "a.bin", "sha256:" + "0" * 64, what="a file")
    assert not (tmp_path / "a.bin").exists()
    assert download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file").read_bytes() == BODY


def test_a_server_error_names_the_url_and_the_place_of_the_file(server, tmp_path):
    with pytest.raises(DataError) as caught:
        download(f"{server.url}/missing", tmp_path, "a.bin", None, what="weights of X")
    message = str(caught.value)
    assert "weights of X" in message
    assert f"{server.url}/missing" in message
    assert "404" in message
    assert str(tmp_path / "a.bin") in message


def test_a_missing_connection_is_reported(server, tmp_path):
    url = server.url.replace(str(server.server_port), "1")
    with pytest.raises(DataError, match="no connection"):
        download(f"{url}/a", tmp_path, "a.bin", DIGEST, what="a file")


def test_a_damaged_file_is_downloaded_again(server, tmp_path):
    file = download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file")
    for place in (0, len(BODY) // 2, len(BODY) - 1):
        file.write_bytes(BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :])
        assert download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file").read_bytes() == BODY
    file.write_bytes(BODY[:-1])
    assert download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file").read_bytes() == BODY


def test_without_a_connection_a_damaged_file_is_named(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(BODY[:-1])
    url = server.url.replace(str(server.server_port), "1")
    with pytest.raises(DataError, match=r"the file at .*a\.bin does not have the digest .* no connection.*\n.*replace"):
        download(f"{url}/a", tmp_path, "a.bin", DIGEST, what="a file")
    assert (tmp_path / "a.bin").read_bytes() == BODY[:-1]


def test_a_folder_or_pipe_in_the_place_of_the_file_is_named(server, tmp_path):
    target = tmp_path / "a.bin"
    os.mkfifo(target)
    with pytest.raises(DataError, match=r"a\.bin is not a file"):
        download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file")
    target.unlink()
    target.mkdir()
    with pytest.raises(DataError, match=r"a\.bin is not a file"):
        download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file")


def test_no_flipped_bit_of_the_noted_version_of_a_part_gives_a_wrong_file(server, tmp_path):
    server.version = '"one"'
    for place in range(len(server.version)):
        for bit in range(8):
            interrupt(server, tmp_path)
            noted = bytearray((tmp_path / "a.bin.part.version").read_bytes())
            noted[place] ^= 1 << bit
            (tmp_path / "a.bin.part.version").write_bytes(noted)
            file = download(f"{server.url}/a", tmp_path, "a.bin", None, what="a file")
            assert file.read_bytes() == BODY
            file.unlink()


def test_a_damaged_part_of_a_file_with_a_digest_is_not_used(server, tmp_path):
    server.cut_at = 100_000
    with pytest.raises(DataError, match=r"the connection ended"):
        download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file")
    part = tmp_path / "a.bin.part"
    part.write_bytes(b"x" + part.read_bytes()[1:])
    with pytest.raises(DataError, match="does not have the expected digest"):
        download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file")
    assert download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file").read_bytes() == BODY
