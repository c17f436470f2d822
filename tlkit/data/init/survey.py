"""Survey a folder that has no recipe yet: its layout, its classes, and the number and sizes of its images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tlkit.data.images.mask_classes import MAX_CLASSES, MaskClasses, mask_classes
from tlkit.data.init.sample_files import Headers, count_paired, evenly, mask_pixels, mask_suffix, read_headers
from tlkit.errors import DataError
from tlkit.files import images_in, is_junk, own_images, split_folders, split_named, subfolders
from tlkit.image_formats import format_names
from tlkit.system.text import listed

Layout = Literal["classes", "masks", "oxford_pets"]

_IMAGE_FOLDERS = ("images", "image", "img", "imgs", "photos", "jpegimages", "inputs")
_MASK_FOLDERS = (
    "masks",
    "mask",
    "labels",
    "label",
    "annotations",
    "annotation",
    "segmentation",
    "segmentations",
    "segmentationclass",
    "trimaps",
    "gt",
    "ground_truth",
    "groundtruth",
)
_MAX_MASKS = 100
"""Maximum number of masks to open."""
_LAYOUTS = (
    "tlkit init recognises these layouts:\n"
    "  one folder per class:  cats/*.jpg  dogs/*.jpg     (or train/cats/*.jpg, with val/ and test/ beside train/)\n"
    "  images and masks:      images/a.jpg  masks/a.png  (or images/train/a.jpg  masks/train/a.png)\n"
    'For any other layout, list the images in a CSV file and write a recipe with the data set "csv"; see '
    "tlkit plugins show dataset csv"
)


class FewClassesError(DataError):
    """A folder has class folders, but too few of them have images to learn from."""


class NoClassesError(DataError):
    """A folder has images, but no class folders."""


@dataclass(frozen=True)
class Survey:
    """The contents of a folder.

    Args:
        root: the folder.
        layout: how it is laid out.
        counts: split ("" without splits) → class → number of images; for masks, the class is "".
        headers: the headers of the images that were opened.
        images: the folder of the images, in a layout with masks.
        masks: the folder of the masks.
        mask_suffix: what a mask's name adds to its image's name.
        values: the values, or colours, of the masks that were opened.
        notes: messages for the user.
    """

    root: Path
    layout: Layout
    counts: dict[str, dict[str, int]]
    headers: Headers
    images: Path | None = None
    masks: Path | None = None
    mask_suffix: str = ""
    values: MaskClasses = field(default_factory=MaskClasses)
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the class folders, sorted."""
        return tuple(sorted({name for each in self.counts.values() for name in each}))

    @property
    def total(self) -> int:
        """The number of images."""
        return sum(sum(each.values()) for each in self.counts.values())


def survey(root: Path) -> Survey:
    """Survey a folder: count every file, and open an even sample of them.

    Raises:
        DataError: there is no such folder, it has no images, or its layout is unknown.
    """
    if not root.is_dir():
        problem = "this is a file; expected a folder" if root.exists() else "no such folder"
        raise DataError(f"{root.absolute()}: {problem}")
    try:
        result = _survey(_unpacked(root))
    except OSError as error:
        raise DataError(f"{error.filename}: can't be read: {error.strerror}") from error
    beside = _names_beside(root, result.root)
    if not beside:
        return result
    note = f"only the folder {result.root.name} is used; ignored: {listed(beside, 5)}"
    return replace(result, notes=(*result.notes, note))


def _survey(root: Path) -> Survey:
    if (root / "annotations" / "trimaps").is_dir() and (root / "annotations" / "test.txt").is_file():
        images = list(images_in(root / "images"))
        return Survey(root, "oxford_pets", {"": {"": len(images)}}, read_headers(images))
    pair = _mask_pair(root)
    if pair is not None:
        return _survey_masks(root, *pair)
    return _survey_classes(root)


def _unpacked(root: Path) -> Path:
    """Return the folder that an archive was unpacked to inside ``root``, or ``root`` itself."""
    while True:
        folders = subfolders(root)
        if len(folders) != 1 or split_named(folders[0].name) or len(subfolders(folders[0])) < 2 or own_images(root):
            return root
        root = folders[0]


def _names_beside(root: Path, inner: Path) -> list[str]:
    """Return the names of everything below ``root`` that is not on the way to ``inner`` or inside it."""
    names = []
    while inner != root:
        names += sorted(each.name for each in inner.parent.iterdir() if each != inner and not is_junk(each.name))
        inner = inner.parent
    return names


def _survey_classes(root: Path) -> Survey:
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
            raise NoClassesError(f"{root}: {_images(total)}, but no class folders. {_LAYOUTS}")
        none = f"{root}: no images ({format_names()}). {_LAYOUTS}"
        raise FewClassesError(none) if subfolders(root) else DataError(none)
    if len(names) < 2:
        raise FewClassesError(
            f"{root}: only one class folder with images ({next(iter(names))}); at least two are needed to learn a "
            f"difference. {_LAYOUTS}"
        )
    if not counts.get("train", {"": 1}):
        others = " and ".join(folders[split].name for split in counts if split != "train")
        raise FewClassesError(
            f"{folders['train']}: no images in class folders, but {others} has some; expected images to train on in "
            f"{folders['train'].name}, one folder per class"
        )
    if {name.lower() for name in names} <= {*_IMAGE_FOLDERS, *_MASK_FOLDERS}:
        raise DataError(
            f"{root}: {' and '.join(sorted(names))} look like images and masks inside each split; expected the splits "
            f"inside images and masks: images/train, masks/train, images/val, masks/val. {_LAYOUTS}"
        )


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _mask_pair(root: Path) -> tuple[Path, Path] | None:
    """Return the folder of the images and that of the masks, recognised by their names; None without both."""
    folders = {folder.name.lower(): folder for folder in subfolders(root)}
    images = [folders[name] for name in _IMAGE_FOLDERS if name in folders and any(images_in(folders[name]))]
    masks = [folders[name] for name in _MASK_FOLDERS if name in folders and any(images_in(folders[name]))]
    # In annotations/trimaps, for example, the inner folder has the masks.
    inner = [each for folder in masks for each in subfolders(folder) if each.name.lower() in _MASK_FOLDERS]
    if not images or not masks:
        return None
    pairs = [(one, other) for one in images for other in (*inner, *masks)]
    return next((pair for pair in pairs if mask_suffix(*pair) is not None), pairs[0])


def _survey_masks(root: Path, images: Path, masks: Path) -> Survey:
    image_files, mask_files = list(images_in(images)), list(images_in(masks))
    suffix = mask_suffix(images, masks)
    if suffix is None:
        example = image_files[0]
        raise DataError(
            f"{masks}: none of {len(mask_files)} masks is named after an image in {images}; for the image "
            f"{example.name}, expected a mask {example.stem}.png, or with a suffix such as {example.stem}_mask.png"
        )
    counts: dict[str, dict[str, int]] = {}
    split_of = {folder: split or "" for split, folder in split_folders(images).items()}
    for file in image_files:
        split = split_of.get(images / file.relative_to(images).parts[0], "")
        counts.setdefault(split, {"": 0})[""] += 1
    values = _mask_values(masks, mask_files)
    unpaired = len(image_files) - count_paired(images, image_files, masks, mask_files, suffix)
    notes = (f"images without a mask: {unpaired}; a run sets them aside",) if unpaired else ()
    return Survey(
        root,
        "masks",
        counts,
        read_headers(image_files),
        images=images,
        masks=masks,
        mask_suffix=suffix,
        values=values,
        notes=(*values.notes, *notes),
    )


def _mask_values(masks: Path, files: list[Path]) -> MaskClasses:
    opened = evenly(files, _MAX_MASKS)
    pixels = mask_pixels(opened)
    values, distinct = mask_classes(pixels), len(pixels.shares)
    if not 2 <= len(values.classes) <= MAX_CLASSES:
        what = f"{distinct} different values" if distinct else "no readable mask"
        raise DataError(
            f"{masks}: {what} in {len(opened)} masks; expected 2 to {MAX_CLASSES} values or colours, at least one per "
            "class. JPEG and smooth scaling add values to masks: save masks as PNG, and scale them with nearest "
            "neighbour"
        )
    return values
