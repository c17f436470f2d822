"""Read the facts of files in the workers of a cluster."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from tlkit.cluster.blocks import in_blocks
from tlkit.cluster.parts import Crew, Fate
from tlkit.cluster.progress import read_one_by_one
from tlkit.cluster.ray_cluster import ClusterOptions, joined
from tlkit.data.checks.facts import Facts
from tlkit.data.checks.one_file import problem_of
from tlkit.data.images.image_file import BadImageError
from tlkit.data.store.decoding import Decoded
from tlkit.errors import DataError

Group = tuple[Iterable[Path], bool]
"""Files, and whether they are masks."""
Read = Callable[[Group], list[tuple[Facts, Decoded | None]]]
"""Reads a group of files: a function of a module, or a partial of one."""
_Found = tuple[Facts, str]
"""The facts of a file, and the machine that does not see it; empty if it does."""


@dataclass(frozen=True)
class SpreadFacts:
    """The workers that read files.

    Args:
        options: the cluster.
        say: called with a line when a worker joins or is lost.
    """

    options: ClusterOptions
    say: Callable[[str], None]

    def read(self, read: Read, groups: Iterable[Group]) -> Iterator[list[tuple[Facts, Decoded | None]]]:
        """Yield what ``read`` returns of each group, in their order. Images are not kept for the model meanwhile.

        Raises:
            DataError: a worker does not see a file that this process sees.
        """
        given = iter(groups)
        first = next(given, None)
        if first is None:
            return
        files = ([(path, is_mask) for path in paths] for paths, is_mask in chain([first], given))
        crew = Crew(_Start(read, str(Path.cwd())), _died, "files", _title)
        with joined(self.options, self.say) as cluster:
            for found in in_blocks(cluster, crew, files):
                yield [(facts if not host else _vanished(facts, host), None) for facts, host in found]


@dataclass(frozen=True)
class _Start:
    """Makes a worker ready to read files.

    Args:
        read: reads a group.
        folder: the folder that relative paths are relative to.
    """

    read: Read
    folder: str

    def __call__(self) -> Callable[[Sequence[tuple[Path, bool]]], list[_Found]]:
        """Return what reads a block."""
        return self._block

    def _block(self, files: Sequence[tuple[Path, bool]]) -> list[_Found]:
        paths = [Path(self.folder, path) for path, _ in files]
        found = self.read((read_one_by_one(paths), files[0][1]))
        return [self._told(*each) for each in zip(files, paths, found, strict=True)]

    def _told(self, asked: tuple[Path, bool], path: Path, found: tuple[Facts, Decoded | None]) -> _Found:
        """Return the facts of a file with the path as the data set has it."""
        facts = found[0]
        if facts.problem != "unreadable" or os.path.exists(path):  # noqa: PTH110 - False for names that can't be
            return replace(facts, reason=facts.reason.replace(str(path), str(asked[0]))), ""
        return replace(facts, reason=str(path)), socket.gethostname()


def _vanished(facts: Facts, host: str) -> Facts:
    """Return the facts of a file that has vanished.

    Raises:
        DataError: this process sees it.
    """
    path = Path(facts.reason)
    if not os.path.exists(path):  # noqa: PTH110
        return problem_of(path, BadImageError("unreadable", f"{path}: no such file"))
    raise DataError(
        f"{path}: {host} has no such file; expected the images at the same path on each machine of the cluster: in a "
        "folder that all of them mount"
    )


def _died(file: tuple[Path, bool], fate: Fate) -> _Found:
    path, _ = file
    return problem_of(path, BadImageError("undecodable", f"{path}: {fate.what}")), ""


def _title(file: tuple[Path, bool]) -> str:
    return str(file[0])
