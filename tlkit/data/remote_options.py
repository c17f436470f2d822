"""The options of a data set with local copies in place of the URLs that a recipe names."""

from __future__ import annotations

from pathlib import Path

from tlkit.contracts import Options
from tlkit.system.remote import local_path
from tlkit.system.remote_names import url_of

_SPLIT = "{"


def with_local_paths(options: Options) -> Options:
    """Return options that name local copies of remote files, which are fetched if they are missing.

    A table of images stands for the folder that it is in, unless another option says where the images are.

    Args:
        options: the options of a data set, in which each ``Path`` may be a URL, also one with ``{split}`` in it.

    Raises:
        DataError: a URL can't be fetched.
        FullDiskError: the disk of the cache has too little room.
    """
    paths = {name: path for name in type(options).model_fields if isinstance(path := getattr(options, name), Path)}
    remote = {name: path for name, path in paths.items() if url_of(path) is not None}
    if not remote:
        return options
    alone = len(paths) == 1
    return options.model_copy(update={name: _local(path, alone) for name, path in remote.items()})


def _local(path: Path, alone: bool) -> Path:
    """Return the local copy of a URL; for one with ``{split}``, that of the folder above the first part with it."""
    parts = path.parts
    above = next((number for number, part in enumerate(parts) if _SPLIT in part), len(parts))
    return Path(local_path(Path(*parts[:above]), with_neighbours=alone), *parts[above:])
