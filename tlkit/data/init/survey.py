"""Survey a folder or file that has no recipe yet: its layout, its classes, the number and sizes of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tlkit.contracts import Dataset, Detected, Task
from tlkit.data.class_names import difference, similar_names
from tlkit.data.init.class_folders import survey_classes
from tlkit.data.init.contents import LAYOUTS, FewClassesError, NoClassesError, Survey
from tlkit.data.init.mask_folders import survey_masks
from tlkit.data.init.neighbours import hint_above, refuse_several
from tlkit.data.init.sample_files import read_headers
from tlkit.errors import DataError
from tlkit.files import (
    class_name,
    find_split_lists,
    images_in,
    is_junk,
    own_images,
    similar_path,
    split_of_folder,
    subfolders,
)
from tlkit.system.text import listed


def survey(root: Path, datasets: Sequence[Dataset] = (), task: Task | None = None) -> Survey:
    """Survey a folder or a file: count every image, and open an even sample of them.

    Args:
        root: the folder, or a file such as a table or annotations.
        datasets: the data sets that may recognise it.
        task: what the user wants to learn; None for what the folder shows.

    Raises:
        DataError: there is no such folder, it has no images, or its layout is unknown.
    """
    if not root.exists():
        raise DataError(f"{root.absolute()}: no such folder or file{similar_path(root.absolute(), files=True)}")
    try:
        result = _detected(root, datasets, task)
        if result is None and not root.is_dir():
            raise DataError(
                f"{root.absolute()}: this is a file that no data set recognises; expected a folder of images, a table "
                "of images, or annotations"
            )
        if root.is_dir():
            refuse_several(
                root,
                result,
                annotated=lambda folder: _detected(folder, datasets, task),
                masked=lambda folder: survey_masks(folder, datasets, task),
            )
        result = result or _survey(_unpacked(root), datasets, task, root)
    except (FewClassesError, NoClassesError) as error:
        hint = hint_above(root, lambda folder: _recognised(folder, datasets, task))
        raise type(error)(hint + (str(error).removesuffix(f" {LAYOUTS}") if hint else str(error))) from error
    except OSError as error:
        raise DataError(f"{error.filename}: can't be read: {error.strerror}") from error
    lists = find_split_lists(result.options["lists"]) if "lists" in result.options else ()
    used = {part for file in lists for part in file.relative_to(root).parts}
    beside = [name for name in _names_beside(root, result.root) if name not in used]
    if not beside:
        return result
    note = f"only the folder {result.root.name} is used; ignored: {listed(beside, 5)}"
    return replace(result, notes=(*result.notes, note))


def _detected(root: Path, datasets: Sequence[Dataset], task: Task | None) -> Survey | None:
    """Return what the data set sees that recognises most images; None if none recognises the path."""
    found: list[tuple[Dataset, Detected]] = []
    for dataset in datasets:
        detected = None if dataset.detect is None else dataset.detect(root, task)
        if detected is not None:
            found.append((dataset, detected))
    if not found:
        return None
    dataset, detected = max(found, key=lambda each: len(each[1].images))
    classes = sorted({name for counts in detected.counts.values() for name in counts})
    problems = [
        f"the class names {' and '.join(group)} differ only in {difference(group)}; expected one name for one class: "
        "correct the labels"
        for group in similar_names({class_name(name) for name in classes})
    ]
    headers = read_headers(detected.images)
    if detected.sizes:
        headers = replace(headers, sizes=detected.sizes)
    others = [
        f'also readable as data.name = "{other.name}": {each.title}' for other, each in found if other is not dataset
    ]
    return Survey(
        root,
        "detected",
        {split: dict(classes) for split, classes in detected.counts.items()},
        headers,
        notes=(*detected.notes, *others),
        dataset=dataset.name,
        detected=detected,
        problems=tuple(problems),
    )


def _recognised(root: Path, datasets: Sequence[Dataset], task: Task | None) -> Survey | None:
    """Return what a data set, or the layout of images and masks, recognises in a folder; None if neither does."""
    return _detected(root, datasets, task) or survey_masks(root, datasets, task)


def _survey(root: Path, datasets: Sequence[Dataset], task: Task | None, outer: Path) -> Survey:
    if (root / "annotations" / "trimaps").is_dir() and (root / "annotations" / "test.txt").is_file():
        images = list(images_in(root / "images"))
        return Survey(root, "oxford_pets", {"": {"": len(images)}}, read_headers(images))
    detected = None if root == outer else _detected(root, datasets, task)
    if detected is not None:
        return detected
    masks = survey_masks(root, datasets, task)
    return survey_classes(root, task, outer) if masks is None else masks


def _unpacked(root: Path) -> Path:
    """Return the folder that an archive was unpacked to inside ``root``, or ``root`` itself.

    It is the only one with images, and has several folders with images, or the splits.
    """
    inner = root
    while True:
        folders = [folder for folder in subfolders(inner) if any(True for _ in images_in(folder))]
        if any(split_of_folder(folder.name) for folder in folders):
            return inner
        if len(folders) != 1 or own_images(inner):
            return inner if len(folders) > 1 else root
        inner = folders[0]


def _names_beside(root: Path, inner: Path) -> list[str]:
    """Return the names of everything below ``root`` that is not on the way to ``inner`` or inside it."""
    names = []
    while inner != root:
        names += sorted(each.name for each in inner.parent.iterdir() if each != inner and not is_junk(each.name))
        inner = inner.parent
    return names
