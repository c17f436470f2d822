"""Lists of splits beside the images, such as ``train.txt`` and ``test.txt``.

For data sets that take such lists: ``find_split_lists`` finds the files, ``read_split_lists`` reads them, and
``assign`` of what it returns matches their lines with the keys of the samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tlkit.contracts import Split
from tlkit.errors import DataError
from tlkit.files.listing import SUFFIXES, subfolders
from tlkit.files.split_names import split_of_folder
from tlkit.system.text import listed

_FOLDERS = ("imagesets", "splits", "split", "lists", "list", "meta")
_SUFFIXES = (".txt", ".lst")
_NUMBERED = ("images.txt", "train_test_split.txt")
_MAX_BYTES = 1 << 28


@dataclass(frozen=True)
class ListedSplits:
    """The splits that lists give to samples.

    Args:
        splits: key of a sample → its split, for the samples that a list names, and for the others if no list of
            training images says otherwise.
        missing: names in the lists that no sample has, as the lists spell them.
    """

    splits: Mapping[str, Split]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class SplitLists:
    """The lines of lists of splits.

    Args:
        files: the lists.
        lines: the split and the text of each line.
    """

    files: tuple[Path, ...]
    lines: tuple[tuple[Split, str], ...]

    def assign(self, keys: Iterable[str]) -> ListedSplits:
        """Match the lines with the keys of samples.

        A line is a path or a name, with or without suffix, and may have labels behind it. It names the sample whose
        key ends with it. Samples in no list are training images if no list has training images, and left out otherwise.

        Args:
            keys: the keys of all samples: paths below the data set's folder.

        Raises:
            DataError: a name fits several samples, or is in the lists of two splits.
        """
        keys = list(keys)
        index = _tails(keys)
        splits: dict[str, Split] = {}
        missing = []
        for split, line in self.lines:
            key = next((index[name] for name in _names_in(line) if name in index), "")
            if key is None:
                raise DataError(
                    f'{self._file_of(split)}: "{line}" fits several images; expected paths that tell them apart'
                )
            if not key:
                missing.append(line)
            elif splits.setdefault(key, split) != split:
                raise DataError(
                    f"{self._file_of(split)}: {key} is also in the list of the {splits[key]} split; remove it from one"
                )
        if not any(split == "train" for split, _ in self.lines):
            splits = {key: splits.get(key, "train") for key in keys}
        return ListedSplits(splits, tuple(missing))

    def _file_of(self, split: Split) -> Path:
        return next((file for file in self.files if _split_of_list(file) == split), self.files[-1])


def find_split_lists(root: Path, prefer: Sequence[str] = ()) -> tuple[Path, ...]:
    """Return the lists of splits in a folder, or in ``ImageSets/…``, ``splits``, ``lists`` or ``meta`` in it.

    Args:
        root: the folder.
        prefer: the folders in ``ImageSets`` to look into first, such as ``("Segmentation",)``; ``Main`` is the next.

    Raises:
        DataError: a folder can't be listed.
    """
    inner = [folder for folder in subfolders(root) if folder.name.lower() in _FOLDERS]
    deeper = [each for folder in inner for each in subfolders(folder)]
    order = [name.lower() for name in (*prefer, "Main")]
    deeper.sort(key=lambda each: order.index(each.name.lower()) if each.name.lower() in order else len(order))
    for folder in (root, *inner, *deeper):
        files = {file.name.lower(): file for file in sorted(folder.iterdir()) if file.is_file()}
        if all(name in files for name in _NUMBERED):
            return tuple(files[name] for name in _NUMBERED)
        found: dict[Split, Path] = {}
        for name, file in files.items():
            split = _split_of_list(file)
            if split is not None and (split not in found or not name.startswith("trainval")):
                found[split] = file
        if "train" in found or "test" in found:
            return tuple(found.values())
    return ()


def read_split_lists(files: Sequence[Path]) -> SplitLists:
    """Read lists of splits.

    Args:
        files: ``train.txt``, ``val.txt`` and ``test.txt``, or files with similar names; or ``images.txt`` with a number
            and a path in each line and ``train_test_split.txt`` with a number and 1 for training images.

    Raises:
        DataError: a file can't be read, or its name is not that of a split.
    """
    if {file.name.lower() for file in files} == set(_NUMBERED):
        return SplitLists(tuple(files), tuple(_numbered({file.name.lower(): file for file in files})))
    lines: list[tuple[Split, str]] = []
    for file in files:
        split = _split_of_list(file)
        if split is None:
            raise DataError(f"{file}: expected a list named after a split, such as train.txt, val.txt or test.txt")
        lines += [(split, line) for line in _lines(file)]
    return SplitLists(tuple(files), tuple(lines))


def _split_of_list(file: Path) -> Split | None:
    if file.suffix.lower() not in _SUFFIXES:
        return None
    stem = re.sub(r"[\s_.-]?(list|files|names)(?=$|[\s_.-])|^(list|files|names)[\s_.-]", "", file.stem.lower())
    return "train" if stem == "trainval" else split_of_folder(stem)


def _numbered(files: Mapping[str, Path]) -> Iterator[tuple[Split, str]]:
    """Yield split and path from the two files of Caltech-UCSD Birds (Wah et al. 2011)."""
    trained = dict(line.split()[:2] for line in _lines(files[_NUMBERED[1]]) if len(line.split()) >= 2)
    for line in _lines(files[_NUMBERED[0]]):
        number, _, path = line.partition(" ")
        if number in trained:
            yield ("train" if trained[number] == "1" else "test"), path.strip()


def _lines(file: Path) -> list[str]:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise DataError(f"{file}: larger than {_MAX_BYTES >> 20} MiB; expected a list of images")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: can't be read as a list of images in UTF-8: {error}") from error
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def _names_in(line: str) -> Iterator[str]:
    """Yield what a line may name, the likeliest first: with and without labels behind it and folders before it."""
    text = line.replace("\\", "/")
    texts = [text]
    while (shorter := re.sub(r"[\s,;]+[^\s,;/]*$", "", text)) != text:
        text = shorter
        texts.append(text)
    for each in texts:
        parts = _without_suffix(each.strip("\"' ")).split("/")
        for start in range(len(parts)):
            yield "/".join(parts[start:])


def _tails(keys: Iterable[str]) -> dict[str, str | None]:
    """Return every end of every key, without the suffix, → the key; None where several keys end so."""
    index: dict[str, str | None] = {}
    whole: dict[str, str | None] = {}
    for key in keys:
        parts = _without_suffix(key).split("/")
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            index[tail] = key if index.get(tail, key) == key else None
        whole["/".join(parts)] = key
    return {**index, **whole}


def _without_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return path.with_suffix("").as_posix() if path.suffix.lower() in SUFFIXES else path.as_posix()


def missing_note(found: ListedSplits, files: Sequence[Path]) -> tuple[str, ...]:
    """Return a note about the names in lists that no sample has; nothing if there are none."""
    if not found.missing:
        return ()
    where = " and ".join(file.name for file in files)
    return (f"named in {where}, but not found ({len(found.missing)}): {listed(list(found.missing), 5)}",)
