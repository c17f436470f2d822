"""Downloads, against a server on this machine."""

from __future__ import annotations

import hashlib
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
        server.starts.append(start)
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        end = server.cut_at if server.cut_at else len(BODY)
        server.cut_at = 0
        self.wfile.write(BODY[start:end])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.starts, made.cut_at = [], 0
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


def test_a_cut_download_goes_on_where_it_ended(server, tmp_path):
    server.cut_at = 100_000
    with pytest.raises(DataError, match=r"a file: can't download"):
        download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file")
    assert not (tmp_path / "a.bin").exists()
    file = download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file")
    assert file.read_bytes() == BODY
    assert server.starts[1] > 0


def test_a_wrong_digest_is_refused_and_does_not_block_the_next_try(server, tmp_path):
    with pytest.raises(DataError, match="has not the expected digest"):
        download(f"{server.url}/a", tmp_path, "a.bin", "sha256:" + "0" * 64, what="a file")
    assert not (tmp_path / "a.bin").exists()
    assert download(f"{server.url}/a", tmp_path, "a.bin", DIGEST, what="a file").read_bytes() == BODY


def test_an_error_of_the_server_says_url_and_where_the_file_belongs(server, tmp_path):
    with pytest.raises(DataError) as caught:
        download(f"{server.url}/missing", tmp_path, "a.bin", None, what="weights of X")
    message = str(caught.value)
    assert "weights of X" in message
    assert f"{server.url}/missing" in message
    assert "404" in message
    assert str(tmp_path / "a.bin") in message


def test_no_connection_says_so(server, tmp_path):
    url = server.url.replace(str(server.server_port), "1")
    with pytest.raises(DataError, match="no connection"):
        download(f"{url}/a", tmp_path, "a.bin", DIGEST, what="a file")
