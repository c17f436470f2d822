"""Remote folders as their users name them: URLs, and what stands for their local copies in messages and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlkit.errors import DataError, TlkitError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}([^/].*)", re.DOTALL)
"""A path object drops the second slash of ``s3://bucket/folder``, and Windows has drives of one letter."""
_WITH_LOGINS = ("http", "https", "ftp", "sftp", "ssh", "smb", "webdav", "webhdfs", "github")
_copies: dict[str, str] = {}
"""Folder or file of a local copy → its URL."""


def url_of(path: str | Path) -> str | None:
    """Return the URL that a path means, such as ``s3://bucket/photos``; None for a path of this machine."""
    text = path.as_posix() if isinstance(path, Path) else path
    match = _URL.fullmatch(text)
    if match is None or Path(text).exists():
        return None
    return f"{match[1].lower()}://{match[2].rstrip('/')}"


def without_login(url: str) -> str:
    """Return a URL without user, password and query, for a message about one that must not have them."""
    scheme, rest = url.split("://", 1)
    place, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def check_url(url: str) -> None:
    """Check that a URL may stand in a recipe, which others read.

    Raises:
        DataError: it has a password or a signature in it, is a path of this machine, or is a chain of URLs.
    """
    scheme, rest = url.split("://", 1)
    place = rest.partition("/")[0]
    login = "@" in place and (":" in place or scheme in _WITH_LOGINS)
    if login or ("?" in rest and scheme in _WITH_LOGINS):
        what = "a user or password" if login else "a query, which may be a signature,"
        raise DataError(
            f"{without_login(url)}: the URL has {what} in it, which tlkit would write into recipes and reports; leave "
            "it out. Credentials come from environment variables and the files of the provider's own tools"
        )
    if scheme in ("file", "local"):
        raise DataError(f"{url}: is on this machine; give its path without {scheme}://")
    if "::" in url:
        raise DataError(f"{url}: is a chain of URLs; expected one URL of a folder or file, such as s3://bucket/folder")


def remember(copy: Path, url: str) -> None:
    """Record that a folder or file is the local copy of a URL, so that ``named`` shows the URL in its place."""
    _copies[str(copy)] = _copies[copy.as_posix()] = url


def named(text: str) -> str:
    """Return a text with the URLs of remote files in place of the paths of their local copies."""
    for copy, url in _copies.items():
        text = text.replace(copy, url)
    return text


def named_path(file: Path) -> str:
    """Return the path of a file as text, or the URL that it is the local copy of."""
    return named(str(file)) if _copies else str(file)


@contextmanager
def naming_remote_files() -> Iterator[None]:
    """Name remote files by their URLs in the errors that are raised within the context."""
    try:
        yield
    except TlkitError as error:
        if _copies:
            error.args = tuple(named(each) if isinstance(each, str) else each for each in error.args)
        raise
