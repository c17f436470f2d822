"""Downloading one file: checksum, progress, resume, and an error that helps when there is no network."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlkit.errors import DataError

_CHUNK = 1 << 16
_TIMEOUT = 30


def download(url: str, folder: Path, file_name: str, digest: str | None, *, what: str) -> Path:
    """A published file from the cache folder, fetched there first when it is missing.

    A download that was cut off goes on where it ended (HTTP range requests), unless the server's ETag or date says that
    the file has changed since, or nothing would tell; the file appears whole or not at all.

    Args:
        url: http or https.
        folder: cache folder; made when missing.
        file_name: in the folder.
        digest: ``md5:…`` or ``sha256:…``; None when the publisher gives none.
        what: for the messages, such as "ImageNet weights of ResNet50".

    Raises:
        DataError: it can't be downloaded, or what came has another digest. The message says what to fetch by hand
            and where to put it.
    """
    import pooch
    from requests import RequestException

    pooch.get_logger().setLevel("WARNING")
    target = folder / file_name
    by_hand = f"Fetch it by hand and put it at {target}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fetched = pooch.retrieve(
            url,
            known_hash=digest,
            fname=file_name,
            path=folder,
            downloader=_Resuming(target, what, checked=digest is not None),
        )
    except (RequestException, _CutOffError) as error:
        raise DataError(f"{what}: can't download {url}: {_reason(error)}.\n{by_hand}") from error
    except OSError as error:
        raise DataError(f"{what}: can't write {target}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{what}: {url} has not the expected digest {digest}: {error}.\n{by_hand}") from error
    return Path(fetched)


def _reason(error: Exception) -> str:
    from requests.exceptions import ChunkedEncodingError

    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    if isinstance(error, _CutOffError):
        return str(error)
    if isinstance(error, ChunkedEncodingError):
        return "the connection ended before the file did; run again to go on"
    return f"no connection ({type(error).__name__})"


class _CutOffError(ConnectionError):
    """The connection ended before the file did."""


def _version_of(headers: Mapping[str, str]) -> str:
    """What If-Range takes (RFC 9110, 13.1.5): a strong ETag, or the date of the last change; empty without either."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


class _Resuming:
    """A pooch downloader that keeps what came in ``<target>.part`` and asks for the rest next time.

    The version that it is part of is kept beside it in ``<target>.part.version``.
    """

    def __init__(self, target: Path, what: str, *, checked: bool) -> None:
        self.part = target.with_name(f"{target.name}.part")
        self.version = target.with_name(f"{target.name}.part.version")
        self.what = what
        self.checked = checked

    def __call__(self, url: str, output_file: Any, pooch: Any, check_only: bool = False) -> bool | None:  # noqa: ARG002
        import requests
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

        version = self.version.read_text("latin-1") if self.version.exists() else ""
        have = self.part.stat().st_size if self.part.exists() and (version or self.checked) else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {})
        console = Console(stderr=True)
        with requests.get(url, stream=True, timeout=_TIMEOUT, headers=headers) as response:
            resumed = response.status_code == requests.codes.partial_content
            # A server that does not know If-Range still says which version the rest is of.
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
            if not console.is_terminal:
                size = "" if total is None else f", {total / 1e6:.1f} MB"
                verb = "going on with" if resumed else "downloading"
                print(f"{verb} {self.what}: {url}{size}", file=sys.stderr, flush=True)
            columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
            with (
                Progress("{task.description}", *columns, console=console, disable=not console.is_terminal) as progress,
                self.part.open("ab" if resumed else "wb") as file,
            ):
                task = progress.add_task(self.what, total=total, completed=have)
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    progress.advance(task, len(chunk))
                written = file.tell()
        if total is not None and written < total:
            raise _CutOffError(f"the connection ended after {written} of {total} bytes; run again to go on")
        self.part.replace(Path(output_file))
        self.version.unlink(missing_ok=True)
        return None
