"""Find the image that an annotation names, and never outside the folder of images."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import tlkit


class ImageFinder:
    """The images below a folder, found by the names that annotations give them.

    Names come from other machines: with drive letters, back slashes, ``..``, folders that no longer exist, another case
    or another Unicode form. Only files below the folder are ever returned.
    """

    def __init__(self, root: Path) -> None:
        """List the images below ``root``.

        Raises:
            DataError: a folder can't be listed.
        """
        self.root = root
        self._outside: dict[Path, bool] = {}
        self._resolved = root.resolve()
        self._by_name: dict[str, list[Path]] = {}
        self._by_stem: dict[str, list[Path]] = {}
        self._by_key: dict[str, Path] = {}
        for file in tlkit.files.images_in(root):
            self._by_key[_folded(tlkit.files.key_of(file, root))] = file
            self._by_name.setdefault(_folded(file.name), []).append(file)
            self._by_stem.setdefault(_folded(file.stem), []).append(file)

    @property
    def images(self) -> list[Path]:
        """All images below the folder."""
        return list(self._by_key.values())

    def find(self, name: str, *folders: Path) -> Path | str:
        """Return the image of a name, or why there is none.

        Args:
            name: a path as the annotations have it.
            folders: the folders below the root that the name may be relative to, before the root itself. A file of the
                same name elsewhere is taken if there is only one, or only one whose folders agree best.

        Returns:
            the file; or the reason, in a few words.
        """
        parts = parts_of(name)
        if not parts:
            return "it has no file name"
        for start in (*folders, self.root):
            if start.is_relative_to(self.root):
                file = self._by_key.get(_folded("/".join([*start.relative_to(self.root).parts, *parts])))
                if file is not None:
                    return self._inside(file)
        return self._nearest(self._by_name.get(_folded(parts[-1]), []), parts)

    @property
    def folders(self) -> list[Path]:
        """The folders below the root that have images of their own, and the root."""
        return list(dict.fromkeys([self.root, *(file.parent for file in self._by_key.values())]))

    def find_stem(self, stem: str, folder: Path) -> Path | str:
        """Return the image of a name without its suffix, in ``folder`` or else anywhere; or why there is none."""
        candidates = self._by_stem.get(_folded(stem), [])
        beside = [file for file in candidates if file.parent == folder]
        return self._nearest(beside or candidates, (stem,))

    def _nearest(self, candidates: Sequence[Path], parts: Sequence[str]) -> Path | str:
        """Return the file of ``candidates`` whose last folders agree best with ``parts``."""
        if not candidates:
            return "no such image"
        scores = [_agreeing(file.parts[:-1], parts[:-1]) for file in candidates]
        best = [file for file, score in zip(candidates, scores, strict=True) if score == max(scores)]
        if len(best) > 1:
            return f"{len(best)} images have this name; the folder that it names does not say which"
        return self._inside(best[0])

    def _inside(self, file: Path) -> Path | str:
        """Return the file unless it is, or is in, a link that leads out of the folder of images."""
        if file.parent not in self._outside:
            self._outside[file.parent] = not file.parent.resolve().is_relative_to(self._resolved)
        if self._outside[file.parent] or (file.is_symlink() and not file.resolve().is_relative_to(self._resolved)):
            return "a link that leads out of the folder of images; name its target with data.images"
        return file


def existing(path: Path) -> Path:
    """Return the file or folder that ``data.path`` names.

    Raises:
        DataError: there is none; the message names a similar one.
    """
    path = tlkit.files.expanded(path)
    return path if path.is_file() else tlkit.files.existing_folder(path, "data.path")


def parts_of(name: str) -> tuple[str, ...]:
    """Return the folders and the file name of a path of any system, without drive, root, ``.`` and ``..``.

    Everything before a ``..`` is dropped, since it can't be followed.
    """
    if "\0" in name:
        return ()
    bare = re.sub(r"^([A-Za-z]:|[a-z]+://[^/]*)", "", name.strip())
    parts = [part for part in re.split(r"[/\\]+", bare) if part not in ("", ".")]
    while ".." in parts:
        parts = parts[parts.index("..") + 1 :]
    return tuple(parts)


def photo_of(name: str) -> str | None:
    """Return the photo of which a file is an augmented version, as Roboflow names them; None for other names.

    ``a_jpg.rf.0123abcd.jpg`` is a version of ``a_jpg``.
    """
    match = re.match(r"(.+)\.rf\.[0-9A-Za-z]{8,}\.", parts_of(name)[-1] if parts_of(name) else "")
    return match[1] if match else None


def below(folder: Path, name: str) -> Path | None:
    """Return a file or folder that an annotation file names, if it exists below ``folder``; otherwise None."""
    parts = parts_of(name)
    path = folder.joinpath(*parts)
    try:
        found = bool(parts) and path.exists() and path.resolve().is_relative_to(folder.resolve())
    except OSError:  # such as a name that is too long
        return None
    return path if found else None


def size_of(file: Path) -> tuple[int, int]:
    """Return (height, width) of an image in pixels, as EXIF turns it; its pixels are not decoded.

    Raises:
        DataError: the file is not an image that Pillow reads.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return (image.width, image.height) if turned else (image.height, image.width)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise tlkit.DataError(f"{file}: not an image that can be read: {error}") from error


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _agreeing(folders: Sequence[str], wanted: Sequence[str]) -> int:
    count = 0
    for one, other in zip(reversed(folders), reversed(wanted), strict=False):
        if _folded(one) != _folded(other):
            break
        count += 1
    return count
