"""Looking at a folder before there is a recipe: how it is laid out, which classes, how many, what sizes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tlkit.data.images.mask_classes import MOST_CLASSES, MaskClasses, mask_classes
from tlkit.data.init.look import evenly, look, mask_pixels, mask_suffix, paired
from tlkit.errors import DataError
from tlkit.files import images_in, is_junk, own_images, split_folders, split_named, subfolders

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
_LAYOUTS = (
    "tlkit init knows these layouts:\n"
    "  a folder a class:    cats/*.jpg  dogs/*.jpg      (also under train/, val/ and test/)\n"
    "  images and masks:    images/a.jpg  masks/a.png   (also images/train/a.jpg  masks/train/a.png)\n"
    "For anything else, list the images in a CSV file and write a recipe with the data set csv: "
    "tlkit plugins show dataset csv"
)


class FewClassesError(DataError):
    """A folder has class folders, but too few of them have images to learn from."""


class NoClassesError(DataError):
    """A folder has images, but no class folders."""


@dataclass(frozen=True)
class Survey:
    """What a folder holds.

    Args:
        root: the folder.
        layout: how it is laid out.
        counts: split ("" where there is none) → class → number of images; for masks, class is "".
        sizes: (width, height) of the images that were opened.
        formats: Pillow's name of the format → how many of those that were opened.
        unreadable: how many of those that were opened are not images.
        images, masks: the folders of a mask layout.
        mask_suffix: what a mask's name has behind its image's.
        values: the pixel values, or colours, of the masks that were opened.
        notes: what is odd about the folder.
    """

    root: Path
    layout: Layout
    counts: dict[str, dict[str, int]]
    sizes: tuple[tuple[int, int], ...] = ()
    formats: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    images: Path | None = None
    masks: Path | None = None
    mask_suffix: str = ""
    values: MaskClasses = field(default_factory=MaskClasses)
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of a layout of class folders, sorted."""
        return tuple(sorted({name for each in self.counts.values() for name in each}))

    @property
    def total(self) -> int:
        """How many images there are."""
        return sum(sum(each.values()) for each in self.counts.values())


def survey(root: Path) -> Survey:
    """Look at a folder: every file is counted, and an even sample of them is opened.

    Raises:
        DataError: it is no folder, has no images, or is not laid out in a way that tlkit knows.
    """
    if not root.is_dir():
        raise DataError(f"{root.absolute()}: {'is a file, expected a folder' if root.exists() else 'no such folder'}")
    try:
        found = _survey(_descended(root))
    except OSError as error:
        raise DataError(f"{error.filename}: can't be looked at: {error.strerror}") from error
    beside = _beside(root, found.root)
    note = f"not used, because it is beside {found.root.name}: {', '.join(beside)}"
    return replace(found, notes=(*found.notes, note)) if beside else found


def _survey(root: Path) -> Survey:
    if (root / "annotations" / "trimaps").is_dir() and (root / "annotations" / "test.txt").is_file():
        images = list(images_in(root / "images"))
        return Survey(root, "oxford_pets", {"": {"": len(images)}}, *look(images))
    pair = _mask_pair(root)
    if pair is not None:
        return _survey_masks(root, *pair)
    return _survey_classes(root)


def _descended(root: Path) -> Path:
    """The folder itself, or the one that an archive was unpacked to inside of it."""
    while True:
        folders = subfolders(root)
        if len(folders) != 1 or split_named(folders[0].name) or len(subfolders(folders[0])) < 2 or own_images(root):
            return root
        root = folders[0]


def _beside(root: Path, inner: Path) -> list[str]:
    """What lies beside the folders from the one that was named down to the one that is used, the first of it."""
    found = []
    while inner != root:
        found += sorted(each.name for each in inner.parent.iterdir() if each != inner and not is_junk(each.name))
        inner = inner.parent
    return [*found[:5], f"and {len(found) - 5} more"] if len(found) > 5 else found


def _survey_classes(root: Path) -> Survey:
    sides: dict[str, Path] = {split or "": folder for split, folder in split_folders(root).items()}
    notes = []
    if "" not in sides:
        beside = [folder.name for folder in subfolders(root) if folder not in sides.values()]
        notes += [f"not used, because it is beside train: {name}" for name in beside]
    counts: dict[str, dict[str, int]] = {}
    files: list[Path] = []
    for split in [split for split in ("", "train", "validation", "test") if split in sides]:
        folder = sides[split]
        counts[split] = {}
        for each in subfolders(folder):
            found = list(images_in(each))
            files += found
            if found:
                counts[split][each.name] = len(found)
            else:
                notes.append(f"no images in {each}")
        if loose := len(own_images(folder)):
            notes.append(f"{loose} images in {folder} are in no class folder; they are not used")
    if not counts.get("test", {"": 1}):
        del counts["test"]
    if not counts.get("validation", {"": 1}):
        del counts["validation"]
    names = {name for each in counts.values() for name in each}
    if not names:
        total = sum(1 for _ in images_in(root))
        if total:
            raise NoClassesError(f"{root}: {total} images, but no class folders. {_LAYOUTS}")
        none = f"{root}: no images (JPEG, PNG, BMP, GIF, WebP, TIFF). {_LAYOUTS}"
        raise FewClassesError(none) if subfolders(root) else DataError(none)
    if len(names) < 2:
        raise FewClassesError(
            f"{root}: only one class folder with images ({next(iter(names))}); "
            f"at least two classes are needed to learn a difference. {_LAYOUTS}"
        )
    if not counts.get("train", {"": 1}):
        raise FewClassesError(
            f"{sides['train']}: no image in a class folder, but there are in "
            f"{' and '.join(sides[split].name for split in counts if split != 'train')}; "
            f"expected images to learn from in {sides['train'].name}, a folder a class"
        )
    if {name.lower() for name in names} <= {*_IMAGE_FOLDERS, *_MASK_FOLDERS}:
        raise DataError(
            f"{root}: {' and '.join(sorted(names))} look like images and masks within a split; tlkit expects them the "
            f"other way round: images/train, masks/train, images/val and so on. {_LAYOUTS}"
        )
    return Survey(root, "classes", counts, *look(files), notes=tuple(notes))


def _mask_pair(root: Path) -> tuple[Path, Path] | None:
    """The folder of the images and that of the masks, found by their names."""
    folders = {folder.name.lower(): folder for folder in subfolders(root)}
    images = [folders[name] for name in _IMAGE_FOLDERS if name in folders and any(images_in(folders[name]))]
    masks = [folders[name] for name in _MASK_FOLDERS if name in folders and any(images_in(folders[name]))]
    # Such as annotations/trimaps: the folder inside has the masks.
    inner = [each for folder in masks for each in subfolders(folder) if each.name.lower() in _MASK_FOLDERS]
    if not images or not masks:
        return None
    pairs = [(one, other) for one in images for other in (*inner, *masks)]
    return next((pair for pair in pairs if mask_suffix(*pair) is not None), pairs[0])


def _survey_masks(root: Path, images: Path, masks: Path) -> Survey:
    image_files, mask_files = list(images_in(images)), list(images_in(masks))
    suffix = mask_suffix(images, masks)
    if suffix is None:
        raise DataError(
            f"{masks}: none of {len(mask_files)} masks is called like one of the images in {images}, "
            f"such as {image_files[0].name}; expected the same names, or a suffix such as a_mask.png"
        )
    counts: dict[str, dict[str, int]] = {}
    split_of = {folder: split or "" for split, folder in split_folders(images).items()}
    for file in image_files:
        named = split_of.get(images / file.relative_to(images).parts[0], "")
        counts.setdefault(named, {"": 0})[""] += 1
    pixels = mask_pixels(evenly(mask_files, 100))
    values, distinct = mask_classes(pixels), len(pixels.shares)
    if not 2 <= len(values.classes) <= MOST_CLASSES:
        what = f"{distinct} different values" if distinct else "no mask that can be read"
        raise DataError(
            f"{masks}: {what} in {min(len(mask_files), 100)} masks; expected 2 to {MOST_CLASSES} values or "
            "colours, one or more for each class. Masks saved as JPEG, or scaled with smoothing, have values between: "
            "save them as PNG and scale them with nearest neighbour"
        )
    unpaired = len(image_files) - paired(images, image_files, masks, mask_files, suffix)
    notes = [f"images without a mask of their name: {unpaired}; a run sets them aside"] if unpaired else []
    return Survey(
        root,
        "masks",
        counts,
        *look(image_files),
        images=images,
        masks=masks,
        mask_suffix=suffix,
        values=values,
        notes=(*values.notes, *notes),
    )
