"""The builds of tlkit that are compared: folders of its source, none of which has to be installed."""

from __future__ import annotations

import os
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
"""The source that these benchmarks belong to."""


class NotABuildError(Exception):
    """A folder does not hold the source of tlkit."""


@dataclass(frozen=True)
class Build:
    """A build of tlkit.

    Args:
        name: ``new`` or ``old``, as in the figures.
        root: the folder with ``tlkit``, ``plugins`` and ``pyproject.toml``.
        metadata: the folder on the import path that names the build's version and its plugins.
    """

    name: str
    root: Path
    metadata: Path

    def environment(self) -> dict[str, str]:
        """Return the variables with which a process imports this build and finds its plugins."""
        folders = (self.root, self.root / "plugins", self.metadata)
        return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}

    def revision(self) -> str | None:
        """Return Git's name of the revision; None if the folder is no checkout."""
        command = ["git", "-C", str(self.root), "describe", "--always", "--dirty"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        return asked.stdout.strip() or None


def open_build(name: str, root: Path, work: Path) -> Build:
    """Return a build; an installed tlkit is neither used nor changed.

    Python finds plugins through the metadata of distributions, so this writes the build's into a folder of its own.

    Args:
        name: what the figures call the build.
        root: the folder of its source.
        work: an existing folder for the metadata.

    Raises:
        NotABuildError: ``root`` does not hold the source of tlkit.
    """
    file = root / "pyproject.toml"
    if not (root / "tlkit" / "__main__.py").is_file() or not file.is_file():
        raise NotABuildError(f"{root}: no tlkit there; expected a folder with tlkit/__main__.py and pyproject.toml")
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    metadata = work / f"metadata-{name}"
    folder = metadata / f"tlkit-{project['version']}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tlkit\nVersion: {project['version']}\n")
    points = project["entry-points"]["tlkit"]
    lines = ["[tlkit]", *(f"{name} = {target}" for name, target in points.items())]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return Build(name, root.resolve(), metadata)
