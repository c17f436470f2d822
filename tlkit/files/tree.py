"""A folder of images without what a user excludes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tlkit.files.listing import images_in, is_image, keys_below, own_images, subfolders, walk


class Tree:
    """A folder of images, seen without the files and folders that patterns exclude.

    Args:
        root: the folder.
        exclude: patterns with ``*`` and ``?``. One with ``/`` is for paths below the root, the others are for names.
            What is below a folder that matches is excluded, too.
    """

    def __init__(self, root: Path, exclude: Sequence[str] = ()) -> None:
        self.root = root
        self._patterns = [pattern.strip("/") for pattern in exclude]
        self._key = keys_below(root)
        self._folders: dict[Path, list[Path]] = {}
        self.excluded: dict[str, str] = {}
        """Key of each excluded file or folder that was come across → the pattern."""

    def folders(self, folder: Path) -> list[Path]:
        """Return the folders directly in a folder that have images."""
        if folder not in self._folders:
            self._folders[folder] = [each for each in self.all_folders(folder) if self.has_images(each)]
        return self._folders[folder]

    def all_folders(self, folder: Path) -> list[Path]:
        """Return the folders directly in a folder, also those without images."""
        return [each for each in subfolders(folder) if not self._is_excluded(each)]

    def files(self, folder: Path) -> Iterator[Path]:
        """Yield the files below a folder, in the order of ``walk``."""
        return (file for file in walk(folder) if not self._is_excluded(file))

    def own_images(self, folder: Path) -> list[Path]:
        """Return the images directly in a folder."""
        return [file for file in own_images(folder) if not self._is_excluded(file)]

    def images(self, folder: Path) -> Iterator[Path]:
        """Yield the images below a folder, in the order of ``walk``."""
        if not self._patterns:
            return images_in(folder)
        return (file for file in self.files(folder) if is_image(file))

    def has_images(self, folder: Path) -> bool:
        """Return whether there is an image below a folder."""
        return any(True for _ in self.images(folder))

    @property
    def unmatched(self) -> list[str]:
        """The patterns that nothing matched so far."""
        return [pattern for pattern in self._patterns if pattern not in self.excluded.values()]

    def _is_excluded(self, path: Path) -> bool:
        if not self._patterns:
            return False
        parts = self._key(path).split("/")
        for end in range(1, len(parts) + 1):
            key = "/".join(parts[:end])
            for pattern in self._patterns:
                if fnmatchcase(key if "/" in pattern else parts[end - 1], pattern):
                    self.excluded[key] = pattern
                    return True
        return False
