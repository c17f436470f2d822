"""Pair images and masks by the names that are left when folders, prefixes and suffixes are taken off."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tlkit

SPLIT = "{split}"
"""What stands for the name of a split's folder in a path."""
_SHORT: Mapping[str, tlkit.Split] = {"Tr": "train", "Ts": "test"}
"""Splits as nnU-Net names them, in ``imagesTr`` and ``labelsTs``."""


@dataclass(frozen=True)
class Names:
    """How the files of one side are named.

    Args:
        prefix: what stands before the name that image and mask share.
        suffix: what stands behind it; with a file's suffix, such as ``.png``, only such files belong to the side.
    """

    prefix: str = ""
    suffix: str = ""

    def of_split(self, word: str) -> Names:
        """Return the names in the folder of a split, with its name in the place of ``{split}``."""
        return Names(self.prefix.replace(SPLIT, word), self.suffix.replace(SPLIT, word)) if word else self

    def core(self, file: Path) -> str | None:
        """Return the name that image and mask share; None for a file that doesn't belong to this side."""
        whole = any(self.suffix.lower().endswith(each) for each in tlkit.files.SUFFIXES)
        text = file.name if whole else file.stem
        end = len(text) - len(self.suffix)
        if end < len(self.prefix) or not text.startswith(self.prefix) or not text.endswith(self.suffix):
            return None
        return text[len(self.prefix) : end]

    def name(self, core: str) -> str:
        """Return the name of the file with a core, for messages."""
        folder, _, last = core.rpartition("/")
        whole = any(self.suffix.lower().endswith(each) for each in tlkit.files.SUFFIXES)
        return f"{folder + '/' if folder else ''}{self.prefix}{last}{self.suffix}{'' if whole else '.*'}"


@dataclass(frozen=True)
class Found:
    """A file of one side.

    Args:
        file: its path.
        split: the split of the folder that contains it.
    """

    file: Path
    split: tlkit.Split | None


@dataclass(frozen=True)
class Side:
    """The images or the masks.

    Args:
        option: the recipe's key that names them, such as ``data.images``.
        root: the folder that contains all of them.
        folders: word in the place of ``{split}`` ("" without) → split and folder.
        names: how the files are named.
    """

    option: str
    root: Path
    folders: Mapping[str, tuple[tlkit.Split | None, Path]]
    names: Names

    def files(self, other: Side) -> dict[str, Found]:
        """Return the files by the name that image and mask share, without those that belong to the other side.

        Raises:
            DataError: two files have the same name.
        """
        found: dict[str, Found] = {}
        for word, (split, folder) in self.folders.items():
            split_of = _splits_inside(folder) if word == "" else {}
            names = self.names.of_split(word)
            for file in tlkit.files.images_in(folder):
                core = names.core(file)
                if core is None or other.claims(file, word, self):
                    continue
                parent = file.relative_to(folder).parent
                key = (Path(word) / parent / core).as_posix() if core else (Path(word) / parent).as_posix() + "/"
                if key in found:
                    raise tlkit.DataError(
                        f"{found[key].file} and {file} have the same name but for the suffix, so their pair is "
                        "ambiguous; rename or remove one, or choose by the suffix, such as "
                        f'{self.option[:-1]}_suffix = "{self.names.suffix}{file.suffix}"'
                    )
                inside = next((each for above, each in split_of.items() if above in file.parents), None)
                found[key] = Found(file, split or inside)
        return found

    def claims(self, file: Path, word: str, other: Side) -> bool:
        """Return whether a file in a folder of the other side belongs to this one."""
        if word not in self.folders:
            return False
        here, there = self.folders[word][1].resolve(), other.folders[word][1].resolve()
        if here == there:
            mine, theirs = self.names.of_split(word), other.names.of_split(word)
            # "a_mask" fits the images' empty suffix as well; the longer names decide.
            longer = len(mine.prefix + mine.suffix) > len(theirs.prefix + theirs.suffix)
            return longer and mine.core(file) is not None
        return here.is_relative_to(there) and file.resolve().is_relative_to(here)


def side(path: Path, option: str, names: Names) -> Side:
    """Return the images' or the masks' side of a data set.

    Args:
        path: the folder as the recipe gives it, perhaps with ``{split}`` in it.
        option: the recipe's key that names it.
        names: how its files are named.

    Raises:
        DataError: there is no such folder.
    """
    parts = path.parts
    place = next((index for index, part in enumerate(parts) if SPLIT in part), None)
    if place is None or tlkit.files.expanded(path).is_dir():
        folder = tlkit.files.existing_folder(path, option)
        return Side(option, folder, {"": (None, folder)}, names)
    root = tlkit.files.existing_folder(Path(*parts[:place]) if place else Path(), option)
    folders: dict[str, tuple[tlkit.Split | None, Path]] = {}
    for word, split in _words(root, parts[place]):
        folder = root / Path(*(part.replace(SPLIT, word) for part in parts[place:]))
        if not folder.is_dir():
            continue
        twin = next((each for each, (known, _) in folders.items() if known == split), None)
        if twin is not None:
            raise tlkit.DataError(
                f"{option}: {folders[twin][1]} and {folder} are both the {split} split; move the files of one into the "
                "other, or rename it"
            )
        folders[word] = (split, folder)
    if not folders:
        names_there = ", ".join(each.name for each in tlkit.files.subfolders(root)[:8]) or "no folder"
        raise tlkit.DataError(
            f'{option}: no folder fits "{path}" with train, val or test in the place of {SPLIT}; {root} has '
            f"{names_there}"
        )
    return Side(option, root, folders, names)


def _words(root: Path, pattern: str) -> Iterator[tuple[str, tlkit.Split]]:
    """Yield the words that stand for ``{split}`` in the names of the folders in a folder, and their splits."""
    before, _, after = pattern.partition(SPLIT)
    expression = re.compile(f"{re.escape(before)}(.+){re.escape(after.replace(SPLIT, ''))}")
    matches = [match[1] for each in tlkit.files.subfolders(root) if (match := expression.fullmatch(each.name))]
    plain = {word: split for word in matches if (split := tlkit.files.split_named(word) or _SHORT.get(word))}
    # Names such as val2017 count only where no folder is called train or val.
    loose = {word: split for word in matches if (split := tlkit.files.split_of_folder(word))}
    yield from (plain or loose).items()


def _splits_inside(root: Path) -> dict[Path, tlkit.Split]:
    return {folder: split for split, folder in tlkit.files.split_folders(root).items() if split is not None}


def nearest_name(name: str, others: Mapping[str, str]) -> str:
    """Return a phrase for a name that differs only in case or in leading zeros; empty if there is none."""
    other = others.get(_plain(name), name)
    if other == name:
        return ""
    what = "case" if other.casefold() == name.casefold() else "leading zeros"
    return f"; {other} differs in {what} only: give both the same name"


def by_plain_name(names: Mapping[str, Found]) -> dict[str, str]:
    """Return names without case and leading zeros → the names themselves."""
    return {_plain(name): name for name in names}


def _plain(name: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", name.casefold())
