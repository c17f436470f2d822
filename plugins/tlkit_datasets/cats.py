"""Cats and dogs: Microsoft's subset of Asirra (Elson et al., CCS 2007), which is also Kaggle's dogs-vs-cats."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import tlkit
from tlkit_datasets.archives import cache_folder, unpack
from tlkit_datasets.options import CatsVsDogsOptions

# microsoft.com/download/details.aspx?id=54765. The publisher gives no digest; this one is from gomlx/gomlx,
# examples/dogsvscats, which downloads the same file.
URL = "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/"
ARCHIVE = ("kagglecatsanddogs_5340.zip", "sha256:b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9")
CLASSES = ("cat", "dog")
_INSIDE = "PetImages"
_NAME = re.compile(r"(?:(cat|dog)\.)?(\d+)\.jpe?g", re.IGNORECASE)
_EXPECTED = (
    "a folder with PetImages/, with Cat/ and Dog/ (N.jpg in each), or with cat.N.jpg and dog.N.jpg, or the publisher's "
    'zip; photos in other folders are for data.name = "folder"'
)


def open_cats_vs_dogs(ctx: tlkit.DatasetContext, options: CatsVsDogsOptions) -> tlkit.SampleSet:  # noqa: ARG001
    """List the photos in the order of their numbers; damaged files are found later, when they are decoded.

    Raises:
        DataError: the folder has none of the known layouts, a class is missing, or the download failed.
    """
    root = _located(_source(options.path))
    photos: dict[str, dict[int, Path]] = {name: {} for name in CLASSES}
    set_aside = []
    for folder, folder_class in _folders(root):
        for file in sorted(folder.iterdir()):
            if tlkit.files.is_junk(file.name) or not file.is_file():
                continue
            match = _NAME.fullmatch(file.name)
            name = (match[1] or folder_class).lower() if match else ""
            if match is None or not name or folder_class not in ("", name):
                reason = "not a photo of the data set by its name"
            elif int(match[2]) in photos[name]:
                reason = f"{name} {match[2]} exists twice"
            else:
                photos[name][int(match[2])] = file
                continue
            set_aside.append(tlkit.SetAside(tlkit.files.key_of(file, root), reason))
    _check(root, photos)
    return tlkit.SampleSet(
        samples=tuple(
            tlkit.Sample(tlkit.files.key_of(file, root), file, label=label)
            for label, name in enumerate(CLASSES)
            for _, file in sorted(photos[name].items())[: options.per_class]
        ),
        classes=CLASSES,
        set_aside=tuple(set_aside),
        root=root.resolve(),
    )


def _source(path: Path | None) -> Path:
    """Return the folder that ``data.path`` names, or the cached one of its zip or of the download."""
    cache = cache_folder("cats_vs_dogs")
    if path is None:
        target = cache / _INSIDE
        if not target.is_dir():
            file = tlkit.download(URL + ARCHIVE[0], cache, *ARCHIVE, what="Cats and dogs (Asirra)")
            unpack(file, target, _INSIDE)
        return target
    path = tlkit.files.expanded(path)
    if not path.is_file():
        return tlkit.files.existing_folder(path, "data.path")
    target = cache / f"zip-{_content_digest(path)}"
    if not target.is_dir():
        unpack(path, target)
    return target


def _content_digest(archive: Path) -> str:
    """Hash the names, sizes and checksums listed in a zip, so that it is unpacked once, wherever it is stored."""
    try:
        with zipfile.ZipFile(archive) as file:
            entries = [f"{entry.filename}\0{entry.file_size}\0{entry.CRC}" for entry in file.infolist()]
    except (zipfile.BadZipFile, OSError) as error:
        raise tlkit.DataError(
            f"data.path: {archive}: not a zip, or incomplete: {error}; expected {_EXPECTED}"
        ) from error
    return hashlib.sha256("\n".join(entries).encode()).hexdigest()[:16]


def _located(root: Path) -> Path:
    """Return the folder that has the class folders, or the photos of both classes."""
    below = {folder.name.lower(): folder for folder in tlkit.files.subfolders(root)}
    if _has_photos(root) or any(name in below for name in CLASSES):
        return root
    if _INSIDE.lower() in below:
        return below[_INSIDE.lower()]
    return below["train"] if "train" in below and _has_photos(below["train"]) else root


def _folders(root: Path) -> list[tuple[Path, str]]:
    """Return each folder of photos with its class; an empty class if the photos' names contain it."""
    below = [(folder, folder.name.lower()) for folder in tlkit.files.subfolders(root) if folder.name.lower() in CLASSES]
    return below or [(root, "")]


def _has_photos(folder: Path) -> bool:
    matches = (_NAME.fullmatch(file.name) for file in folder.iterdir())
    return any(match is not None and match[1] is not None for match in matches)


def _check(root: Path, photos: Mapping[str, Mapping[int, Path]]) -> None:
    missing = [name for name in CLASSES if not photos[name]]
    if len(missing) == len(CLASSES):
        raise tlkit.DataError(f"data.path: no photos of cats and dogs in {root.absolute()}; expected {_EXPECTED}")
    if missing:
        raise tlkit.DataError(
            f"data.path: {root.absolute()} has {sum(map(len, photos.values()))} photos, but none of a {missing[0]}; "
            f"expected {_EXPECTED}"
        )
