"""The ``[check]`` table of a recipe: what to do about each kind of finding."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tlkit.contracts import Options

CheckAction = Literal["error", "skip", "keep"]
StrictCheckAction = Literal["error", "skip"]
"""For files that can't be used."""
ReportAction = Literal["error", "keep"]
"""For findings that are not samples, so nothing can be set aside."""


class CheckTable(Options, defer_build=True):
    """``[check]``: the action for each kind of finding in the data's files.

    ``error`` stops the run before its first step and lists the files; ``skip`` sets the files aside and records them in
    ``samples.csv``; ``keep`` uses the files and reports them.
    """

    before_run: bool = Field(
        True,
        description="check all files before tlkit run trains; unchanged files are not read a second time; false: files "
        "are only checked while they are decoded, and those that can't be used are set aside",
    )
    bad_name: StrictCheckAction = Field("skip", description="files whose name, or whose folder's name, is not in UTF-8")
    unreadable: StrictCheckAction = Field(
        "skip", description="files without read permission, and files that the disk fails to read"
    )
    empty: StrictCheckAction = Field("skip", description="files of 0 bytes")
    not_image: StrictCheckAction = Field("skip", description="files that are not images by their content")
    unsupported: StrictCheckAction = Field(
        "skip", description="images of a kind that is not read, or that takes a package which is not installed"
    )
    undecodable: StrictCheckAction = Field("skip", description="damaged images")
    truncated: StrictCheckAction = Field("skip", description="images whose file ends too early")
    huge: StrictCheckAction = Field("skip", description="images whose header claims more pixels than input.max_pixels")
    nan: CheckAction = Field(
        "skip", description="floating-point images with values that are NaN or infinite; keep: these pixels become 0"
    )
    constant: CheckAction = Field("keep", description="images of one colour")
    tiny: CheckAction = Field("keep", description="images whose shorter side has fewer pixels than tiny_side")
    odd_mode: CheckAction = Field(
        "keep",
        description="images in CMYK, with 16 bits per channel, a palette, floating-point values or an alpha channel; "
        "keep: they are converted to RGB",
    )
    animated: CheckAction = Field(
        "keep", description="images with several frames or pages; keep: the first one is used"
    )
    lone_format: CheckAction = Field(
        "keep",
        description="up to 5 images, and no more than 0.5%, of a format that the others don't have, where 99% of 200 "
        "images or more have the same",
    )
    wrong_extension: CheckAction = Field(
        "keep", description="images with the suffix of another format; keep: they are decoded by their content"
    )
    value_range: ReportAction = Field(
        "keep", description="images of which little is left when their values become 256 grey levels"
    )
    orientation: CheckAction = Field(
        "keep",
        description="in segmentation, photos that their EXIF orientation turns, while their masks have none: the mask "
        "may have been drawn on the stored pixels",
    )
    mask_missing: StrictCheckAction = Field("skip", description="images without a mask, and masks without an image")
    mask_size: StrictCheckAction = Field("skip", description="masks that differ in size from their image")
    mask_values: StrictCheckAction = Field(
        "skip", description="masks with pixel values that the data set's table of values does not list"
    )
    mask_palette: CheckAction = Field(
        "error",
        description="masks that are read by the indices of their palettes, and whose palettes have the colours of most "
        "others at other indices",
    )
    masks_one_class: ReportAction = Field(
        "error", description="all masks together have pixels of one class only, so there is nothing to learn"
    )
    mask_between: CheckAction = Field(
        "keep",
        description="masks with values that are not in the data set's table, which count as the nearest one by "
        "data.nearest",
    )
    mask_empty: CheckAction = Field(
        "keep", description="masks in which all pixels are of one class, or all are ignored"
    )
    duplicate: CheckAction = Field(
        "keep",
        description="copies and near-copies in one class and split; skip: the first file by name is used",
    )
    frames: ReportAction = Field(
        "keep",
        description="three or more near-copies that follow each other by name, as frames of a video do; with "
        'duplicate = "keep" they are not duplicates as well',
    )
    conflict: CheckAction = Field(
        "keep",
        description="copies and near-copies in several classes, or with different masks; skip: all of these files are "
        "set aside, since any of them may be wrong",
    )
    leak: CheckAction = Field(
        "keep",
        description="copies and near-copies in several splits, which make metrics too good; skip: they stay in the "
        "test split if one is there, otherwise in the validation split",
    )
    linked_folder: CheckAction = Field(
        "error",
        description="links to another folder of the data set; skip: the images reached through the link are set aside",
    )
    link_cycle: CheckAction = Field(
        "skip", description="links to a folder above; skip: the images reached through the link are set aside"
    )
    junk: ReportAction = Field(
        "keep", description="files left behind by operating systems and editors; they are never used"
    )
    unused: ReportAction = Field("keep", description="other files that the data set does not use")
    empty_folder: ReportAction = Field(
        "keep", description="folders without a usable image; keep: such a class is left out"
    )
    lost_class: ReportAction = Field(
        "error",
        description="classes with files, none of which can be used as an image; keep: the class is left out",
    )
    untrained_class: CheckAction = Field(
        "error",
        description="classes that have validation or test images by the data set's own splits, but no training images; "
        "skip: these images are set aside",
    )
    similar_classes: ReportAction = Field(
        "error",
        description="class names that differ only in upper and lower case, in blanks, or in blanks, _ and - between "
        "words; single letters may differ",
    )
    mask_beside: CheckAction = Field(
        "error",
        description="in classification, images that look like masks of other images, such as x_mask.png beside x.png",
    )
    too_few: ReportAction = Field(
        "keep",
        description="classes with too few images to have one in each split; in segmentation, classes that no mask has",
    )
    imbalance: ReportAction = Field(
        "keep", description="classes that differ in their training images by more than imbalance_ratio"
    )
    tiny_side: int = Field(8, ge=1, description="length in pixels of the shorter side below which an image is tiny")
    imbalance_ratio: float = Field(
        10.0,
        ge=1,
        description="number of training images of the largest class, divided by that of the smallest, above which the "
        "classes are imbalanced",
    )
    near: int = Field(
        24,
        ge=0,
        le=32,
        description="number of the 256 bits of the perceptual hash that may differ between near-copies; "
        "copies of another size or quality differ in up to 18 bits, different pictures in 68 or more",
    )
    group_duplicates: bool = Field(
        True,
        description="keep copies and near-copies in the same split when tlkit makes the split; false: split them "
        "like different pictures",
    )


_SINCE_0_2 = ("lost_class", "untrained_class", "similar_classes", "mask_beside", "masks_one_class")
"""Kinds that stop a run, and that runs of 0.2.0 and earlier did not look for."""


def for_resume(check: CheckTable) -> CheckTable:
    """Return the policy for a run that has started: it has passed its check, perhaps that of an earlier version."""
    return check.model_copy(update={key: "keep" for key in _SINCE_0_2 if key not in check.model_fields_set})
