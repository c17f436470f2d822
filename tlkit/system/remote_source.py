"""Remote files through fsspec: opening a file system, listing a folder, and what its errors mean to a user."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote

from tlkit.errors import DataError, TlkitError
from tlkit.system.parallel import in_threads
from tlkit.system.text import did_you_mean, shorten

T = TypeVar("T")

THREADS = 16
"""Files that are asked for at the same time."""
_CONNECT_SECONDS = 10
_READ_SECONDS = 30
_FIRST_ANSWER_SECONDS = 60.0

_PACKAGES = {"s3": 'pip install "tlkit[remote]"', "gs": "pip install gcsfs", "hf": 'pip install "tlkit[hub]"'}
"""Scheme → how its package is installed."""
_SAME = {"s3a": "s3", "gcs": "gs", "https": "http"}
_ACCESS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a public bucket FSSPEC_S3_ANON=true; "
    "for a server that is not Amazon's AWS_ENDPOINT_URL",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run: gcloud auth application-default login; for a "
    "public bucket set FSSPEC_GS_TOKEN=anon",
    "hf": "set HF_TOKEN, or run: hf auth login",
}
"""Scheme → what gives access."""
_VERSIONS = (
    *("ETag", "etag", "md5Hash", "md5", "content_md5", "generation", "blob_id", "sha256", "Content-MD5", "Digest"),
    *("LastModified", "Last-Modified", "last_modified", "updated", "mtime", "created"),
)
"""Keys of fsspec's file systems for what changes with a file, the best first."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a remote folder.

    Args:
        key: the path that the file system knows it by.
        name: its path below the folder, with ``/`` between the parts, as the source gives it.
        size: its size in bytes; None if the source does not say.
        version: what the source says of its content, such as an ETag; empty if it says nothing.
    """

    key: str
    name: str
    size: int | None
    version: str


@dataclass(frozen=True)
class Listing:
    """What a URL names.

    Args:
        files: the files, sorted by name.
        is_file: whether the URL names one file, whose name then is the last part of the URL.
    """

    files: tuple[RemoteFile, ...]
    is_file: bool = False


class RemoteSource:
    """The file system of a URL.

    Args:
        url: the URL.

    Raises:
        DataError: a package is missing, there is no such scheme, or the credentials can't be used.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.scheme = url.split("://", 1)[0]
        self.system = self._opened()
        self.root = str(self.system._strip_protocol(url)).rstrip("/")

    def _opened(self) -> Any:
        try:
            import fsspec
        except ImportError as error:
            raise DataError(f'{self.url}: needs the package fsspec: pip install "tlkit[remote]"') from error
        scheme = _SAME.get(self.scheme, self.scheme)
        with self._explained():
            try:
                fsspec.get_filesystem_class(self.scheme)
            except ImportError as error:
                install = _PACKAGES.get(scheme, f"install the package that it names: {error}")
                raise DataError(f"{self.url}: the package for {self.scheme}:// is missing: {install}") from error
            except ValueError as error:
                known = ("s3", "gs", "hf", "https", "http")
                hint = did_you_mean(self.scheme, known, f"; expected one such as {', '.join(known)}")
                raise DataError(f'{self.url}: "{self.scheme}://" is no known scheme{hint}') from error
            return fsspec.filesystem(self.scheme, **_options(scheme))

    def listing(self) -> Listing:
        """Ask the source what the URL names.

        Raises:
            DataError: there is nothing, it may not be read, or the source can't be reached.
        """
        with self._explained():
            with suppress(AttributeError, NotImplementedError):
                self.system.invalidate_cache()
            info = _within(_FIRST_ANSWER_SECONDS, lambda: self.system.info(self.root))
            if not self._is_folder(info):
                name = PurePosixPath(self.root).name
                name = unquote(name) if _SAME.get(self.scheme, self.scheme) == "http" else name
                return Listing((self._file(self.root, name, info),), is_file=True)
            found = self.system.find(f"{self.root}/" if "http" in self.scheme else self.root, detail=True)
        files = [self._file(key, self._name(key), info) for key, info in found.items() if not key.endswith("/")]
        if any(each.size is None or not each.version for each in files):
            asked = in_threads(self._asked, files, name="tlkit-remote", ahead=4, threads=THREADS)
            files = list(asked)
        return Listing(tuple(sorted(files, key=lambda each: each.name)))

    def _is_folder(self, info: Mapping[str, Any]) -> bool:
        if _SAME.get(self.scheme, self.scheme) != "http":
            return info.get("type") == "directory"
        # A web server has no folders; a page that lists files is taken for one.
        return not PurePosixPath(self.root).suffix and bool(self.system.isdir(f"{self.root}/"))

    def _name(self, key: str) -> str:
        """Return the path of a file below the folder; one that begins with ``/`` if it is not below it."""
        name = key[len(self.root) + 1 :] if key.startswith(f"{self.root}/") else f"/{key}"
        return unquote(name) if _SAME.get(self.scheme, self.scheme) == "http" else name

    def _file(self, key: str, name: str, info: Mapping[str, Any]) -> RemoteFile:
        lfs = info.get("lfs")
        values = {**info, **({"sha256": lfs.get("sha256")} if isinstance(lfs, Mapping) else {})}
        version = next((f"{each} {values[each]}" for each in _VERSIONS if values.get(each)), "")
        size = info.get("size")
        return RemoteFile(key, name, None if size is None else int(size), version)

    def _asked(self, file: RemoteFile) -> RemoteFile:
        """Return a file with what the source says of it alone, where its folder does not say."""
        if file.size is not None and file.version:
            return file
        with self._explained(file.name):
            return self._file(file.key, file.name, self.system.info(file.key))

    def read(self, file: RemoteFile, start: int | None = None, end: int | None = None) -> bytes:
        """Return the bytes of a file, or those from ``start`` to before ``end``.

        Raises:
            DataError: they can't be read.
        """
        with self._explained(file.name):
            content: bytes = self.system.cat_file(file.key, start=start, end=end)
            return content

    @contextmanager
    def _explained(self, name: str = "") -> Iterator[None]:
        """Explain what the libraries of the providers raise: they share no base class.

        Raises:
            DataError: in place of any other error.
        """
        try:
            yield
        except TlkitError:
            raise
        except Exception as error:
            where = f"{self.url}/{name}" if name and not self.url.endswith(f"/{name}") else self.url
            raise DataError(f"{where}: {self._reason(error)}") from error

    def _reason(self, error: Exception) -> str:
        kind = type(error).__name__
        said = shorten(" ".join(str(error).split()), 200)
        access = _ACCESS.get(_SAME.get(self.scheme, self.scheme), "check what the server asks for")
        status = str(getattr(error, "status", getattr(error, "code", "")))
        if "Credential" in kind or "Token" in kind or "ProfileNotFound" in kind:
            return f"no usable credentials ({said}); {access}"
        if isinstance(error, PermissionError) or status in ("401", "403") or "Gated" in kind:
            return f"access is denied ({said}); {access}"
        if isinstance(error, FileNotFoundError):
            return "there is no such bucket, folder or file, or it is not yours to see; check its name"
        if isinstance(error, TimeoutError) or "Timeout" in kind:
            return f"no answer in time ({kind}); check the network, and try again: what was fetched is kept"
        return f"can't be read ({kind}: {said}); check the network, and try again: what was fetched is kept"


def _options(scheme: str) -> dict[str, Any]:
    """Return the options of a file system that keep it from waiting forever."""
    options: dict[str, Any] = {"skip_instance_cache": True}
    if scheme == "s3":
        limits = {"connect_timeout": _CONNECT_SECONDS, "read_timeout": _READ_SECONDS, "retries": {"max_attempts": 2}}
        return {**options, "config_kwargs": {**limits, "max_pool_connections": 2 * THREADS}}
    if scheme == "http":
        with suppress(ImportError):
            import aiohttp

            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS)
            return {**options, "client_kwargs": {"timeout": timeout}}
    return options


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Return the result of work that some library may never end.

    Raises:
        TimeoutError: it took longer; its thread is left behind.
        Exception: what the work raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def worked() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=worked, name="tlkit-remote-first", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return results[0]
