"""Files of Python code that a recipe names: read once, and loaded only if the user has allowed these very bytes.

The SHA-256 of each allowed file is kept in ``plugins-allowed.txt`` in the user's configuration folder.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import PluginError
from tlkit.system.disk import own_folder, write_atomically
from tlkit.system.text import size_text

MAX_BYTES = 4_000_000
_LIST = "plugins-allowed.txt"


@dataclass(frozen=True)
class CodeFile:
    """A file of Python code.

    Args:
        path: the file, as it was given.
        content: its bytes, which are what is executed.
    """

    path: Path
    content: bytes

    @property
    def digest(self) -> str:
        """``sha256:`` and the SHA-256 of the bytes."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def is_allowed(self) -> bool:
        """Return whether the user has allowed these bytes before."""
        try:
            lines = _list_file().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return False
        return any(line.partition(" ")[0] == self.digest for line in lines)

    def allow(self) -> None:
        """Remember that the user allows these bytes; if that can't be written, the user will be asked again."""
        if self.is_allowed():
            return
        file = _list_file()
        with suppress(OSError, UnicodeDecodeError):
            file.parent.mkdir(parents=True, exist_ok=True)
            before = file.read_text(encoding="utf-8") if file.is_file() else ""
            name = str(self.path.resolve()).replace("\n", " ").encode("utf-8", "replace").decode()
            write_atomically(file, f"{before}{self.digest} {name}\n")


def read_code_file(path: Path) -> CodeFile:
    """Read a file of Python code.

    Raises:
        PluginError: there is no such file, its name does not end in .py, or it can't be read or is too large.
    """
    try:
        if not path.is_file():
            raise PluginError(f"{path}: no such file; expected a Python file with tlkit hooks")
        if path.suffix != ".py":
            raise PluginError(f"{path}: expected a file that ends in .py")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PluginError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > MAX_BYTES:
        raise PluginError(f"{path}: is larger than {size_text(MAX_BYTES)}; expected a Python file with tlkit hooks")
    return CodeFile(path, content)


def config_folder() -> Path:
    """Return the folder of the user's settings: ``$TLKIT_CONFIG``, by default in the user's configuration folder.

    Raises:
        DataError: it can't be a folder, or the user has no home folder.
    """
    from platformdirs import user_config_path

    return own_folder("TLKIT_CONFIG", lambda: user_config_path("tlkit", appauthor=False))


def _list_file() -> Path:
    return config_folder() / _LIST
