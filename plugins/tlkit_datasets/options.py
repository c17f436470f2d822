"""The options of each data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

import tlkit

_VALUES = (
    'table from pixel value such as "255", or colour such as "#ff0000" or "255,0,0", to class name; several values may '
    "have the same class"
)
_IGNORE = "pixel values or colours that count neither in the loss nor in the metrics"


class FolderOptions(tlkit.Options):
    """Options of ``folder``."""

    path: Path = Field(
        description="folder with one folder per class, with or without train, val(idation) and test folders above them"
    )


class MasksOptions(tlkit.Options):
    """Options of ``masks``."""

    images: Path = Field(
        description="folder of the images, with or without train, val and test folders in it; {split} stands for the "
        'name of such a folder anywhere in the path: "photos/{split}/images"; a prefix or suffix may have it, too'
    )
    masks: Path = Field(
        description="folder of the masks, laid out like the images' folder; it may be the same folder, or "
        '"photos/{split}/masks", "photos/{split}annot"'
    )
    values: dict[str, str] = Field(min_length=1, description=_VALUES)
    ignore: tuple[str, ...] = Field((), description=_IGNORE)
    other: str | None = Field(None, description="class of all values not in the table; none: they are an error")
    nearest: bool = Field(
        False,
        description="a value not in the table means the same as the nearest one in it, for masks saved as JPEG or with "
        "smoothed edges; false: it is an error",
    )
    channel: Literal["auto", "red", "green", "blue", "alpha"] = Field(
        "auto",
        description="channel of the masks that has the values; auto: the grey value, the palette index or the colour, "
        "whatever the opacity",
    )
    image_prefix: str = Field("", description='what images\' names begin with: "img_" for img_1.png and mask_1.png')
    image_suffix: str = Field(
        "",
        description='what images\' names end with: "_sat" for 1_sat.jpg and 1_mask.png; ".jpg" for a.jpg and a.png in '
        "one folder",
    )
    mask_prefix: str = Field("", description='what masks\' names begin with: "mask_" for img_1.png and mask_1.png')
    mask_suffix: str = Field("", description='what masks\' names end with: "_mask" for a.jpg and a_mask.png')
    splits: Literal["folders", "none"] = Field(
        "folders",
        description="folders: train, val and test folders are splits; none: input.validation and input.test split all "
        "images",
    )
    lists: Path | None = Field(
        None,
        description="folder with train.txt, val.txt and test.txt, whose lines name the images of a split, such as "
        '"voc/ImageSets/Segmentation"; images in no list are set aside',
    )


class CsvOptions(tlkit.Options):
    """Options of ``csv``."""

    path: Path = Field(description="CSV file in UTF-8, with a header")
    root: Path | None = Field(
        None, description="folder that the image paths are relative to; none: the CSV file's folder"
    )
    image: str = Field("image", description="column with the image's path")
    label: str | None = Field("label", description="classification: column with the class name or names")
    separator: str | None = Field(
        None, description='text between the labels of an image, such as "|"; makes the data set multi-label'
    )
    mask: str | None = Field(None, description="segmentation: column with the mask's path")
    values: dict[str, str] = Field(default_factory=dict, description=f"segmentation: {_VALUES}")
    ignore: tuple[str, ...] = Field((), description=f"segmentation: {_IGNORE}")
    split: str | None = Field(
        None, description="column with train, validation or test; tlkit splits the rows where it is empty"
    )
    group: str | None = Field(None, description="column with a group; images of one group stay in one split")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = Field(",", description="character between columns")


class PetsOptions(tlkit.Options):
    """Options of ``oxford_pets``."""

    path: Path | None = Field(
        None,
        description="folder of a copy, with images/ and annotations/; none: downloaded once (810 MB) and verified",
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
        description="published: the test split of the published lists, and the validation split if the copy has one; "
        "none: input.validation and input.test split all images, including those in no list",
    )


class PublishedOptions(tlkit.Options):
    """Options of ``fashion_mnist`` and ``cifar10``."""

    path: Path | None = Field(
        None,
        description=".npz file with x_train, y_train, x_test and y_test, or folder with the publisher's files; "
        "none: downloaded once",
    )


class Cifar100Options(PublishedOptions):
    """Options of ``cifar100``."""

    labels: Literal["fine", "coarse"] = Field("fine", description="fine: 100 classes; coarse: their 20 superclasses")


class CatsVsDogsOptions(tlkit.Options):
    """Options of ``cats_vs_dogs``."""

    path: Path | None = Field(
        None,
        description="folder with PetImages/, with Cat/ and Dog/, or with cat.N.jpg and dog.N.jpg, or a zip of one, "
        "which is unpacked into the user's cache; none: downloaded once (825 MB) and verified",
    )
    per_class: int | None = Field(
        None, ge=1, description="maximum number of images per class, lowest numbers first; none: all"
    )


class DigitsOptions(tlkit.Options):
    """``digits`` has no options."""


class DigitScenesOptions(tlkit.Options):
    """Options of ``digit_scenes``."""

    count: int = Field(600, ge=10, le=100_000, description="number of scenes to make")
    size: int = Field(96, ge=32, le=512, description="height and width of a scene in pixels")
    digits: Annotated[int, Field(ge=1, le=9)] = Field(3, description="maximum number of digits in a scene; at least 1")
    target: Literal["digit", "ten"] = Field("digit", description="digit: digit or background; ten: which digit it is")
