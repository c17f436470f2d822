"""Download a file: verified by checksum, resumed if interrupted, with an error that helps when there is no network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlkit.errors import DataError
from tlkit.system.text import size_text

_CHUNK = 1 << 16
_TIMEOUT = 30


def download(url: str, folder: Path, file_name: str, digest: str | None, *, what: str) -> Path:
    """Return a published file from a cache folder; download it first if it is missing.

    An interrupted download is resumed (HTTP range requests), unless the server's ETag or date says that the file has
    changed since, or there is neither of these nor a digest. The file appears whole or not at all.

    Args:
        url: an http or https address.
        folder: the cache folder; it is created if it is missing.
        file_name: the name of the file in the folder.
        digest: ``md5:…`` or ``sha256:…``; None if the publisher gives none.
        what: the name of the file in messages, such as "ImageNet weights of ResNet50".

    Raises:
        DataError: the file can't be downloaded, or has another digest. The message says what to download by hand and
            where to put it.
    """
    import pooch
    from requests import RequestException

    pooch.get_logger().setLevel("WARNING")
    target = folder / file_name
    by_hand = f"Download it by hand and put it at {target}"
    try:
        if target.exists() and not target.is_file():
            raise DataError(f"{what}: {target} is not a file; remove it, or put the file there")
        folder.mkdir(parents=True, exist_ok=True)
        fetched = pooch.retrieve(
            url,
            known_hash=digest,
            fname=file_name,
            path=folder,
            downloader=_ResumingDownloader(target, what, checked=digest is not None),
        )
    except (RequestException, _InterruptedDownloadError) as error:
        damaged = ""
        if digest is not None and target.exists():  # pooch found another digest, and the file is as it was.
            damaged = f"the file at {target} does not have the digest {digest}, and "
            by_hand = f"Download it by hand and replace {target}"
        raise DataError(f"{what}: {damaged}can't download {url}: {_reason(error)}.\n{by_hand}") from error
    except OSError as error:
        raise DataError(f"{what}: can't write {target}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{what}: {url} does not have the expected digest {digest}: {error}.\n{by_hand}") from error
    return Path(fetched)


def _reason(error: Exception) -> str:
    from requests.exceptions import ChunkedEncodingError

    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    if isinstance(error, _InterruptedDownloadError):
        return str(error)
    if isinstance(error, ChunkedEncodingError):
        return "the connection ended before the file did; the next try resumes the download"
    return f"no connection ({type(error).__name__})"


class _InterruptedDownloadError(ConnectionError):
    """The connection ended before the file did."""


def _version_of(headers: Mapping[str, str]) -> str:
    """Return a value for If-Range (RFC 9110, 13.1.5): a strong ETag or the modification date; empty without either."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


class _ResumingDownloader:
    """A pooch downloader that keeps an unfinished file as ``<target>.part`` and requests the rest next time.

    The version of the file that the part belongs to is stored in ``<target>.part.version``.

    Args:
        target: the path of the whole file.
        what: the name of the file in messages.
        checked: whether the digest of the whole file is known, so that a wrong remainder is noticed.
    """

    def __init__(self, target: Path, what: str, *, checked: bool) -> None:
        self.part = target.with_name(f"{target.name}.part")
        self.version = target.with_name(f"{target.name}.part.version")
        self.what = what
        self.checked = checked

    def __call__(self, url: str, output_file: Any, pooch: Any, check_only: bool = False) -> bool | None:  # noqa: ARG002
        import requests

        version = self.version.read_text("latin-1") if self.version.exists() else ""
        version = version if version.isascii() and version.isprintable() and version == version.strip() else ""
        have = self.part.stat().st_size if self.part.exists() and (version or self.checked) else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {})
        with requests.get(url, stream=True, timeout=_TIMEOUT, headers=headers) as response:
            resumed = response.status_code == requests.codes.partial_content
            # A server that does not know If-Range still says which version the remainder belongs to.
            changed = resumed and version and _version_of(response.headers) not in ("", version)
            if changed or response.status_code == requests.codes.requested_range_not_satisfiable:
                self.part.unlink()
                return self(url, output_file, pooch)
            response.raise_for_status()
            if not resumed:
                have = 0
                self.part.unlink(missing_ok=True)
                self.version.write_text(_version_of(response.headers), "latin-1")
            length = response.headers.get("Content-Length")
            total = have + int(length) if length is not None else None
            written = self._receive(response, url, have, total)
        if total is not None and written < total:
            raise _InterruptedDownloadError(
                f"the connection ended after {written} of {total} bytes; the next try resumes the download"
            )
        self.part.replace(Path(output_file))
        self.version.unlink(missing_ok=True)
        return None

    def _receive(self, response: Any, url: str, have: int, total: int | None) -> int:
        """Append a response to the unfinished file, and show the progress.

        Args:
            response: a streaming response of requests.
            url: the address, for the message where there is no terminal.
            have: size in bytes of the unfinished file; 0 to begin with an empty one.
            total: size in bytes of the whole file, if it is known.

        Returns:
            the size of the file in bytes.
        """
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        from tlkit.system.terminal import Terminal

        console = Terminal(stderr=True)
        if not console.is_terminal:
            size = "" if total is None else f", {size_text(total)}"
            verb = "resuming" if have else "downloading"
            console.print(f"{verb} {self.what}: {url}{size}")
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with (
            Progress(*columns, console=console, disable=not console.is_terminal) as progress,
            self.part.open("ab" if have else "wb") as file,
        ):
            task = progress.add_task(self.what, total=total, completed=have)
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                progress.advance(task, len(chunk))
            return file.tell()
