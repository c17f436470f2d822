"""Survey a folder of images and masks."""

from __future__ import annotations

from pathlib import Path

from tlkit.data.images.mask_classes import MAX_CLASSES, MaskClasses, mask_classes
from tlkit.data.init.contents import IMAGE_FOLDERS, MASK_FOLDERS, Survey
from tlkit.data.init.sample_files import count_paired, evenly, mask_pixels, mask_suffix, read_headers
from tlkit.errors import DataError
from tlkit.files import images_in, split_folders, subfolders

_MAX_MASKS = 100
"""Maximum number of masks to open."""


def mask_pair(root: Path) -> tuple[Path, Path] | None:
    """Return the folder of the images and that of the masks, recognised by their names; None without both."""
    folders = {folder.name.lower(): folder for folder in subfolders(root)}
    images = [folders[name] for name in IMAGE_FOLDERS if name in folders and any(images_in(folders[name]))]
    masks = [folders[name] for name in MASK_FOLDERS if name in folders and any(images_in(folders[name]))]
    # In annotations/trimaps, for example, the inner folder has the masks.
    inner = [each for folder in masks for each in subfolders(folder) if each.name.lower() in MASK_FOLDERS]
    if not images or not masks:
        return None
    pairs = [(one, other) for one in images for other in (*inner, *masks)]
    return next((pair for pair in pairs if mask_suffix(*pair) is not None), pairs[0])


def survey_masks(root: Path, images: Path, masks: Path) -> Survey:
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
