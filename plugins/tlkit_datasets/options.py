"""Options of the data sets. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

import tlkit


class FolderOptions(tlkit.Options):
    """A folder of class folders."""

    path: Path = Field(
        description="a folder with a folder a class, with or without train, val(idation) and test folders above them"
    )


class MasksOptions(tlkit.Options):
    """Images and masks of the same names."""

    images: Path = Field(description="the folder of the images, with or without train, val and test folders in it")
    masks: Path = Field(description="the folder of the masks, laid out as the images' folder")
    values: dict[str, str] = Field(
        min_length=1,
        description='pixel value such as "255", or colour such as "#ff0000" or "255,0,0" = class name; '
        "several values may have the same class",
    )
    ignore: tuple[str, ...] = Field(
        (), description="pixel values or colours that count neither in the loss nor a metric"
    )
    other: str | None = Field(
        None, description="class of all values that are not in the table; none: they are an error"
    )
    mask_suffix: str = Field("", description="what a mask's name has behind its image's: \"_mask\" for a_mask.png")


class CsvOptions(tlkit.Options):
    """A table of images."""

    path: Path = Field(description="the CSV file, with a header")
    root: Path | None = Field(None, description="what the image paths are relative to; none: the CSV file's folder")
    image: str = Field("image", description="column with the image's path")
    label: str | None = Field("label", description="column with the class name(s), for classification")
    separator: str | None = Field(None, description='between several labels of an image, such as "|": multi-label')
    mask: str | None = Field(None, description="column with the mask's path, for segmentation")
    values: dict[str, str] = Field(default_factory=dict, description="for masks: as in the data set masks")
    ignore: tuple[str, ...] = Field((), description="for masks: as in the data set masks")
    split: str | None = Field(
        None, description="column with train, validation or test; an empty cell is split by tlkit"
    )
    group: str | None = Field(None, description="column with the group that stays on one side of a split")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = Field(",", description="between the columns")


class PetsOptions(tlkit.Options):
    """The Oxford-IIIT Pet data set."""

    path: Path | None = Field(
        None, description="a copy with images/ and annotations/; none: it is downloaded once (810 MB) and checked"
    )
    target: Literal["trimap", "pet", "species", "breed"] = Field(
        "trimap",
        description="trimap: pet, background, border; pet: pet or background; species: cat or dog; breed: one of 37",
    )
    border: Literal["ignore", "pet", "background"] = Field(
        "ignore", description='what the trimap\'s border counts as with target = "pet"'
    )
    splits: Literal["published", "none"] = Field(
        "published",
        description="published: the lists' test split, and validation split where the copy has one; none: all images, "
        "also those in no list, are split by input.validation and input.test",
    )


class PublishedOptions(tlkit.Options):
    """Options of ``fashion_mnist`` and ``cifar10``."""

    path: Path | None = Field(
        None,
        description="an .npz with x_train, y_train, x_test and y_test, or a folder with the publisher's files; "
        "none: downloaded once",
    )


class Cifar100Options(PublishedOptions):
    """Options of ``cifar100``."""

    labels: Literal["fine", "coarse"] = Field("fine", description="fine: 100 classes; coarse: their 20 superclasses")


class CatsVsDogsOptions(tlkit.Options):
    """Cats and dogs of Asirra."""

    path: Path | None = Field(
        None,
        description="a folder with PetImages/, with Cat/ and Dog/, or with cat.N.jpg and dog.N.jpg, or a zip of it, "
        "which is unpacked into the user's cache; none: downloaded once (825 MB) and checked",
    )
    per_class: int | None = Field(
        None, ge=1, description="at most so many images of each class, those with the lowest numbers; none: all"
    )


class DigitsOptions(tlkit.Options):
    """scikit-learn's handwritten digits."""


class DigitScenesOptions(tlkit.Options):
    """Digits pasted over photographs."""

    count: int = Field(600, ge=10, le=100_000, description="how many scenes to make")
    size: int = Field(96, ge=32, le=512, description="height and width of a scene in pixels")
    digits: Annotated[int, Field(ge=1, le=9)] = Field(3, description="the most digits in a scene; at least one")
    target: Literal["digit", "ten"] = Field("digit", description="digit: digit or background; ten: which digit")
