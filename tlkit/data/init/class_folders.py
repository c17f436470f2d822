"""Survey a folder that has one folder per class."""

from __future__ import annotations

from pathlib import Path

from tlkit.data.init.contents import IMAGE_FOLDERS, LAYOUTS, MASK_FOLDERS, FewClassesError, NoClassesError, Survey
from tlkit.data.init.sample_files import read_headers
from tlkit.errors import DataError
from tlkit.files import images_in, own_images, split_folders, subfolders
from tlkit.image_formats import format_names


def survey_classes(root: Path) -> Survey:
    folders: dict[str, Path] = {split or "": folder for split, folder in split_folders(root).items()}
    notes = []
    if "" not in folders:
        beside = [folder.name for folder in subfolders(root) if folder not in folders.values()]
        notes += [f"not a train, validation or test folder; ignored: {name}" for name in beside]
    counts: dict[str, dict[str, int]] = {}
    files: list[Path] = []
    for split in [split for split in ("", "train", "validation", "test") if split in folders]:
        folder = folders[split]
        counts[split] = {}
        for each in subfolders(folder):
            images = list(images_in(each))
            files += images
            if images:
                counts[split][each.name] = len(images)
            else:
                notes.append(f"no images in {each}")
        if loose := len(own_images(folder)):
            notes.append(f"not in a class folder; ignored: {_images(loose)} in {folder}")
    for split in ("validation", "test"):
        if not counts.get(split, {"": 1}):
            del counts[split]
    _check_classes(root, counts, folders)
    return Survey(root, "classes", counts, read_headers(files), notes=tuple(notes))


def _check_classes(root: Path, counts: dict[str, dict[str, int]], folders: dict[str, Path]) -> None:
    """Check that the class folders have something to learn from."""
    names = {name for each in counts.values() for name in each}
    if not names:
        total = sum(1 for _ in images_in(root))
        if total:
            raise NoClassesError(f"{root}: {_images(total)}, but no class folders. {LAYOUTS}")
        none = f"{root}: no images ({format_names()}). {LAYOUTS}"
        raise FewClassesError(none) if subfolders(root) else DataError(none)
    if len(names) < 2:
        raise FewClassesError(
            f"{root}: only one class folder with images ({next(iter(names))}); at least two are needed to learn a "
            f"difference. {LAYOUTS}"
        )
    if not counts.get("train", {"": 1}):
        others = " and ".join(folders[split].name for split in counts if split != "train")
        raise FewClassesError(
            f"{folders['train']}: no images in class folders, but {others} has some; expected images to train on in "
            f"{folders['train'].name}, one folder per class"
        )
    if {name.lower() for name in names} <= {*IMAGE_FOLDERS, *MASK_FOLDERS}:
        raise DataError(
            f"{root}: {' and '.join(sorted(names))} look like images and masks inside each split; expected the splits "
            f"inside images and masks: images/train, masks/train, images/val, masks/val. {LAYOUTS}"
        )


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
