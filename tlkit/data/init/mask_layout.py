"""Find the folders of images and masks below a folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any

from tlkit.data.init.contents import IMAGE_FOLDERS
from tlkit.data.init.mask_names import Affixes, Name, best_affixes, likelihood, names_masks, words
from tlkit.data.init.split_template import SPLIT, Parts, template
from tlkit.errors import DataError
from tlkit.files import images_in, split_of_folder
from tlkit.system.text import listed

_MAX_ROOTS = 4
"""With more folders than this that have a folder of masks each, they are no parts of one data set."""
_MAX_SIBLINGS = 12
"""Maximum number of folders to compare with a folder of masks."""
_READINGS = 6
"""Maximum number of ways to pair the names of two folders."""
_LOSSLESS = (".png", ".gif", ".bmp", ".tif", ".tiff")
"""Suffixes of files that may be masks, the likeliest first."""


@dataclass(frozen=True)
class MaskLayout:
    """Where images and masks are, and how they are named.

    Args:
        images: folder of the images relative to the surveyed one, perhaps with ``{split}`` in it.
        masks: the same of the masks.
        affixes: what the names have in common besides the name of the pair.
        pairs: how many images have a mask.
    """

    images: str
    masks: str
    affixes: Affixes
    pairs: int


@dataclass(frozen=True)
class _Root:
    """A folder that may hold all images or all masks; several, one per split, with ``{split}`` in its path.

    Args:
        path: its path with ``{split}`` in the place of the name of a split.
        names: word in the place of ``{split}`` ("" without) → the files below, with their suffixes.
    """

    path: str
    names: dict[str, list[Name]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True)
class Tree:
    """The images below a folder.

    Args:
        root: the folder.
        folders: path of each folder that has images of its own → their names.
    """

    root: Path
    folders: Mapping[Parts, list[str]]

    @classmethod
    def of(cls, root: Path) -> Tree:
        """List a folder."""
        folders: dict[Parts, list[str]] = defaultdict(list)
        depth = len(root.parts)
        for file in images_in(root):
            folders[file.parts[depth:-1]].append(file.name)
        return cls(root, dict(folders))

    @cached_property
    def mask_roots(self) -> dict[Parts, list[Parts]]:
        """Folder whose name says that it holds masks, the innermost → the folders with files in it or below."""
        roots: dict[Parts, list[Parts]] = defaultdict(list)
        for parts in self.folders:
            place = next((at for at in range(len(parts) - 1, -1, -1) if names_masks(parts[at])), None)
            if place is not None:
                roots[parts[: place + 1]].append(parts)
        return dict(roots)

    @cached_property
    def image_roots(self) -> list[_Root]:
        """All folders without masks, with those that contain them."""
        roots: dict[Parts, list[Parts]] = defaultdict(list)
        for parts in self.folders:
            if not any(map(names_masks, parts)):
                for depth in range(len(parts) + 1):
                    roots[parts[:depth]].append(parts)
        return self.roots(roots)

    def unpaired(self) -> tuple[str, str] | None:
        """Return a folder of images and one of masks beside it, by their names; None without both."""
        for masks in self.roots(self.mask_roots):
            named = [each for each in _image_roots(self, masks.path) if _names_images(each.path)]
            if named:
                return named[0].path, masks.path
        return None

    def pairs_per_folder(self, layout: MaskLayout) -> float:
        """Return how many pairs a folder with images has on average."""
        return layout.pairs / max(len(self.folders), 1)

    def folders_below(self, path: str) -> list[str]:
        """Return the names of the images in a folder that ``unpaired`` returned."""
        return [name for parts, names in self.folders.items() if template(parts)[0].startswith(path) for name in names]

    def unused(self, files: Sequence[Path], layout: MaskLayout) -> list[str]:
        """Return notes about folders with images of which none is an image or a mask.

        Args:
            files: the images and masks.
            layout: where they are.
        """
        used = {file.parent.parts[len(self.root.parts) :] for file in files}
        roots = (layout.images, layout.masks)
        left = {parts: len(names) for parts, names in self.folders.items() if parts not in used}
        left = {
            parts: count
            for parts, count in left.items()
            if template(parts)[0] not in roots and not any(map(names_masks, parts))
        }
        if not left:
            return []
        shown = [f"{'/'.join(parts) or '.'} ({count})" for parts, count in left.items()]
        return [
            f"folders with images that are not used: {listed(shown, 5)}; if their images have no masks, predict these "
            "with tlkit predict RUN FOLDER"
        ]

    def roots(self, folders: Mapping[Parts, Sequence[Parts]]) -> list[_Root]:
        """Return folders, given with those in or below them that have images, one per split as one."""
        found: dict[str, _Root] = {}
        for parts, inner in folders.items():
            path, word = template(parts)
            names = found.setdefault(path, _Root(path)).names[word]
            names += [("/".join(each[len(parts) :]), name) for each in inner for name in self.folders[each]]
        return list(found.values())


def find_layouts(tree: Tree) -> list[MaskLayout]:
    """Return the ways to pair images with masks in folders that are named after them, the best first.

    Raises:
        DataError: each image has a folder of its own with several masks.
    """
    _refuse_folder_per_image(tree)
    found = []
    for mask_root in tree.roots(tree.mask_roots):
        for image_root in _image_roots(tree, mask_root.path):
            for count, affixes in _paired(image_root, mask_root):
                found.append(MaskLayout(image_root.path, mask_root.path, affixes, count))
    return sorted(found, key=_rank)


def find_beside(tree: Tree) -> list[MaskLayout]:
    """Return the ways to pair images with masks that lie beside them, such as ``a.jpg`` with ``a_mask.png``."""
    found = []
    for root in _own_roots(tree):
        names = _stems(each for some in root.names.values() for each in some)
        found += [
            MaskLayout(root.path, root.path, affixes, count)
            for count, affixes in best_affixes(names, names, together=True)
            if count >= max(1, len(names) // 4)
        ]
    return found


def find_by_suffix(tree: Tree) -> list[MaskLayout]:
    """Return the ways to pair files of the same name but for the suffix in one folder: ``a.jpg`` and ``a.png``."""
    found = []
    for root in _own_roots(tree):
        suffixes: dict[str, set[Name]] = defaultdict(set)
        for folder, name in (each for some in root.names.values() for each in some):
            suffixes[Path(name).suffix].add((folder, Path(name).stem))
        for one, other in permutations(suffixes, 2):
            both = len(suffixes[one] & suffixes[other])
            if other.lower() in _LOSSLESS and one.lower() != ".gif" and 2 * both > len(suffixes[one]):
                affixes = Affixes(image_suffix=one, mask_suffix=other)
                found.append(MaskLayout(root.path, root.path, affixes, both))
    return sorted(found, key=lambda each: (-each.pairs, _LOSSLESS.index(each.affixes.mask_suffix.lower())))


def named_pair(layout: MaskLayout) -> bool:
    """Return whether the folders' names, or the masks' own, leave no doubt that some are masks."""
    return _names_images(layout.images) or names_masks(layout.affixes.mask_suffix)


def other_readings(layouts: Sequence[MaskLayout]) -> list[str]:
    """Return the other masks that fit nearly as many images as the first layout, as keys of ``[data]``."""
    chosen = layouts[0]
    shown: dict[str, None] = {}
    kept = [chosen]
    for each in layouts[1:]:
        same = any(
            each.masks == other.masks
            and (
                each.affixes.mask_suffix.endswith(other.affixes.mask_suffix)
                or other.affixes.mask_suffix.endswith(each.affixes.mask_suffix)
            )
            for other in kept
        )
        if same or 2 * each.pairs < chosen.pairs:
            continue
        kept.append(each)
        suffix = each.affixes.mask_suffix
        keys = [f'masks = "{each.masks}"'] if each.masks != chosen.masks else []
        keys += [f'mask_suffix = "{suffix}"'] if suffix != chosen.affixes.mask_suffix else []
        shown[" and ".join(keys)] = None
    return list(shown)


def _own_roots(tree: Tree) -> list[_Root]:
    """Return the folder that has all images: one per split as one, or the whole tree."""
    roots = tree.roots({parts: [parts] for parts in tree.folders})
    return roots if len(roots) == 1 else tree.roots({(): list(tree.folders)})


def _image_roots(tree: Tree, masks: str) -> list[_Root]:
    """Return the folders whose images may belong to the masks in a folder: those beside it or above it."""
    above = {".", *(each.as_posix() for each in Path(masks).parents)}
    beside = [root for root in tree.image_roots if root.path in above or Path(root.path).parent.as_posix() in above]
    beside = [root for root in beside if root.path != masks]
    return sorted(beside, key=lambda root: (not _names_images(root.path), root.path))[:_MAX_SIBLINGS]


def _names_images(path: str) -> bool:
    return bool({*IMAGE_FOLDERS, "input"} & set(words(Path(path).name))) or Path(path).name == SPLIT


def _rank(layout: MaskLayout) -> tuple[Any, ...]:
    folder, suffix = likelihood(Path(layout.masks).name), likelihood(layout.affixes.mask_suffix)
    unlikely = min(folder, suffix) < 0
    preferred = (-folder, -suffix, not _names_images(layout.images))
    return (unlikely, -layout.pairs, *preferred, *layout.affixes.cost, len(layout.masks), layout.images)


def _paired(image_root: _Root, mask_root: _Root) -> list[tuple[int, Affixes]]:
    shared = [word for word in image_root.names if word in mask_root.names]
    if not any(word in ("", "Tr") or split_of_folder(word) == "train" for word in shared):
        return []
    images, masks = (
        _stems((f"{word}/{folder}", _without(word, name)) for word in shared for folder, name in root.names[word])
        for root in (image_root, mask_root)
    )
    return best_affixes(images, masks, together=False)[:_READINGS]


def _without(word: str, name: str) -> str:
    """Return a file's name with ``{split}`` in the place of the name of its split."""
    return re.sub(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", SPLIT, name) if word else name


def _stems(names: Iterable[Name]) -> list[Name]:
    return [(folder, Path(name).stem) for folder, name in names]


def _refuse_folder_per_image(tree: Tree) -> None:
    inner = [
        parts for parts in tree.mask_roots if len(parts) > 1 and SPLIT not in template(parts[:-1])[0].rsplit("/")[-1]
    ]
    if len({parts[:-1] for parts in inner}) <= _MAX_ROOTS:
        return
    several = [parts for parts in inner if len(tree.folders.get(parts, ())) > 1]
    if several:
        raise DataError(
            f"{tree.root}: each image has a folder of its own, with several masks in {len(several)} of them, one per "
            f"object, such as {tree.root.joinpath(*several[0])}. tlkit reads one mask per image: draw those of a "
            "folder into one, such as the maximum of their values, and save it under the image's name in a folder "
            "masks beside a folder images"
        )
    raise DataError(
        f"{tree.root}: {len(inner)} folders have images and masks of their own, such as "
        f"{tree.root.joinpath(*inner[0])}. Move all images into one folder images and all masks into one folder masks, "
        'or list the pairs in a CSV file and use the data set "csv"'
    )
