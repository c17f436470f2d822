"""What ``tlkit init`` says about class folders: folders inside them, and what keeps them from being used."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tlkit.data.checks.findings import encodable
from tlkit.data.class_names import difference, similar_names
from tlkit.data.init.class_guesses import Guesses
from tlkit.data.init.contents import IMAGE_FOLDERS
from tlkit.files import NO_IMAGES, ClassFolders, ClassImage, Reading, walk
from tlkit.system.text import listed


def tree_guess(found: ClassFolders, reading: Reading) -> Guesses:
    """Return what to say where class folders have folders with images inside: each may be a class, too."""
    guesses = Guesses()
    if reading.classes != "top":
        return guesses
    paths = {_below_split(found, image) for image in found.images}
    inner = {path[-1] for path in paths if len(path) > 1}
    leaves = {path[-1] for path in paths}
    if not inner or inner <= set(IMAGE_FOLDERS) or len(leaves) < 2 or 2 * len(paths) > len(found.images):
        return guesses
    top = listed(sorted({path[0] for path in paths}), 5)
    note = (
        f'the class folders have folders inside: data.classes = "top", as written, reads {top}; '
        f'"leaf" reads {listed(sorted(leaves), 5)}'
    )
    if len(leaves) < len(paths):
        note += f'; "path" reads {listed(sorted("/".join(path) for path in paths), 5)}'
    guesses.set("classes", "top", f'or "leaf": {listed(sorted(leaves), 3)}', note)
    return guesses


def _below_split(found: ClassFolders, image: ClassImage) -> tuple[str, ...]:
    """Return the folders from the class folder of an image to the image."""
    folders = found.sides.folders
    parts = image.file.relative_to(folders[image.split if found.sides.by == "folders" else None]).parent.parts
    return (parts[0], *parts[2:]) if found.sides.by == "classes" else parts


def class_problems(root: Path, found: ClassFolders) -> tuple[str, ...]:
    """Return what keeps the classes from being used, and what to do about it."""
    problems = []
    for group in similar_names(found.classes):
        folders = {
            name: sorted({_folder_of(root, found, each) for each in found.images if each.name == name})
            for name in group
        }
        shown = " and ".join(f'"{name}" ({listed(folders[name], 3)})' for name in group)
        problems.append(f"{shown} differ only in {difference(group)}; expected one name for one class: rename one")
    problems += [
        f"{encodable(name)}: the name is not in UTF-8, so its images can't be used; rename the folder"
        for name in found.classes
        if encodable(name) != name
    ]
    for name, reason in found.set_aside.items():
        if reason == NO_IMAGES:
            folder = next(each / name for each in found.sides.folders.values() if (each / name).is_dir())
            files = list(walk(folder))
            suffixes = Counter(file.suffix.lower() or "no suffix" for file in files).most_common()
            kinds = listed([f"{suffix} {count}" for suffix, count in suffixes], 4)
            problems.append(
                f"{folder}: none of its {len(files)} files is an image that can be read ({kinds}), so the class would "
                "be lost; convert them to JPEG or PNG, or move the folder away"
            )
    return tuple(problems)


def _folder_of(root: Path, found: ClassFolders, image: ClassImage) -> str:
    side = found.sides.folders[image.split if found.sides.by == "folders" else None]
    return (side / image.file.relative_to(side).parts[0]).relative_to(root).as_posix()
