"""Frozen parts converted to LiteRT's format, kept in the cache folder for later runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tlkit.data.store.shards import FORMAT, SUFFIX, UnusableShardError, open_shard, unusable_note, write_shard
from tlkit.errors import DataError
from tlkit.models.convert import NotConvertibleError, convert_to_litert
from tlkit.system.cache import ABOUT, limit, make_room, mark_used, networks_folder
from tlkit.system.disk import write_atomically
from tlkit.system.text import size_text
from tlkit.train.environment import computing_variables
from tlkit.train.frozen_part import FrozenPart

_FORMAT = 1
_NAME = "network"


def converted(part: FrozenPart, say: Callable[[str], None], *, keep: bool = True) -> bytes:
    """Return a frozen part as the bytes of a LiteRT file: as an earlier run left it, or converted now and left.

    Args:
        part: the frozen part.
        say: shows a note.
        keep: whether to leave it for later runs, and to take what an earlier one left.

    Raises:
        NotConvertibleError: it can't be converted; that is left for later runs, too.
    """
    what = {
        "format": (_FORMAT, FORMAT),
        "frozen": part.digest,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "variables": computing_variables(),
    }
    key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]
    folder = _folder(key) if keep else None
    found = None if folder is None else _found(folder, key, say)
    if found is None:
        found = _made(part)
        if folder is not None:
            _leave(folder, key, *found, say)
    content, problem = found
    if problem:
        raise NotConvertibleError(problem)
    return content


def _made(part: FrozenPart) -> tuple[bytes, str]:
    """Return a converted network, or why it can't be converted."""
    try:
        return convert_to_litert(part.model), ""
    except NotConvertibleError as error:
        return b"", str(error)


def _folder(key: str) -> Path | None:
    """Return the folder of a network; None where there is no cache folder."""
    try:
        return networks_folder() / key
    except DataError:
        return None


def _found(folder: Path, key: str, say: Callable[[str], None]) -> tuple[bytes, str] | None:
    """Return what an earlier run left of a network."""
    try:
        shard = open_shard(folder / f"{_NAME}{SUFFIX}", key)
        if shard is None:
            return None
        shard.check()
    except UnusableShardError as error:
        for note in unusable_note("converted networks", "converted", [error]):
            say(f"  {note}")
        return None
    mark_used(folder)
    return shard.arrays[_NAME].tobytes(), str(shard.note["problem"])


def _leave(folder: Path, key: str, content: bytes, problem: str, say: Callable[[str], None]) -> None:
    try:
        if len(content) > limit():
            return
        make_room(len(content))
        write_shard(folder, _NAME, key, {_NAME: np.frombuffer(content, np.uint8)}, {"problem": problem})
        write_atomically(folder / ABOUT, f"a frozen network for LiteRT, {size_text(len(content))}\n")
    except (OSError, DataError) as error:
        reason = getattr(error, "strerror", None) or error
        say(f"  note: the converted network is not kept for later runs: {reason}")
