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
_OTHER = "class of all values not in the table; none: they are an error"
_NEAREST = (
    "a value not in the table means the same as the nearest one in it, for masks saved as JPEG or with smoothed edges; "
    "false: it is an error"
)
_CHANNEL = (
    "channel of the masks that has the values; auto: the grey value, the palette index or the colour, whatever the "
    "opacity"
)


class FolderOptions(tlkit.Options, defer_build=True):
    """Options of ``folder``."""

    path: Path = Field(
        description="folder with one folder per class, with or without train, val(idation) and test folders above them "
        "or inside each of them"
    )
    splits: Literal["auto", "folders", "lists", "none"] = Field(
        "auto",
        description="auto: folders are splits if they have names such as train, valid or seg_test, and what is inside "
        "or beside them fits; folders: such folders are splits, whatever is beside them; lists: train.txt, val.txt and "
        "test.txt name the images; none: every folder is a class, and tlkit draws the splits",
    )
    lists: Path | None = Field(
        None,
        description='folder of the lists of splits = "lists"; none: path, or splits, lists, meta or ImageSets in it',
    )
    classes: Literal["top", "leaf", "path", "name"] = Field(
        "top",
        description="where folders have folders inside, top: the outer ones are the classes; leaf: the innermost ones, "
        "of which those of one name are one class; path: the same with those around them, such as animal/cat; "
        "name: data.pattern finds the class in the name of each file",
    )
    pattern: str | None = Field(
        None,
        description='regular expression on file names for classes = "name"; its first parentheses are the class',
    )
    names: Path | None = Field(
        None,
        description="file with the name of a folder and the name of its class in each line, for folders such as "
        "n01440764; none: the folders have the names of the classes",
    )
    exclude: tuple[str, ...] = Field(
        (),
        description='files and folders to leave out: patterns of names such as "*_mask*", or of paths below path such '
        'as "test/unknown"',
    )


class MasksOptions(tlkit.Options, defer_build=True):
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
    other: str | None = Field(None, description=_OTHER)
    nearest: bool = Field(False, description=_NEAREST)
    channel: Literal["auto", "red", "green", "blue", "alpha"] = Field("auto", description=_CHANNEL)
    image_prefix: str = Field("", description='what images\' names begin with: "img_" for img_1.png and mask_1.png')
    image_suffix: str = Field(
        "",
        description='what images\' names end with: "_sat" for 1_sat.jpg and 1_mask.png; ".jpg" for a.jpg and a.png in '
        "one folder",
    )
    mask_prefix: str = Field("", description='what masks\' names begin with: "mask_" for img_1.png and mask_1.png')
    mask_suffix: str = Field("", description='what masks\' names end with: "_mask" for a.jpg and a_mask.png')
    splits: Literal["folders", "lists", "none"] = Field(
        "folders",
        description="folders: train, val and test folders are splits; lists: train.txt, val.txt and test.txt name the "
        "images, and those in none are set aside; none: input.validation and input.test split all images",
    )
    lists: Path | None = Field(
        None,
        description='folder of the lists of splits = "lists", such as "voc/ImageSets/Segmentation"; none: images, the '
        "folder above it, or splits, lists, meta or ImageSets in one of them",
    )


class CsvOptions(tlkit.Options, defer_build=True):
    """Options of ``csv``."""

    path: Path = Field(description="table of text, such as .csv or .tsv; tlkit init FILE.csv writes a recipe for it")
    validation_path: Path | None = Field(None, description="second table, all of whose images are validation images")
    test_path: Path | None = Field(None, description="another table, all of whose images are test images")
    root: Path | None = Field(
        None, description="folder that the image paths are relative to; none: the CSV file's folder"
    )
    image: str = Field("image", description="column with the image's path, with or without its suffix")
    suffix: str = Field("", description='what the names in the table lack at their end, such as ".jpg"')
    anywhere: bool = Field(
        False, description="whether files are looked for by their names in all folders below root, whatever the folder"
    )
    strip_prefix: str = Field(
        "", description='what is cut off the paths at their beginning, such as "/content/data/" of another machine'
    )
    label: str | None = Field("label", description="classification: column with the class name or names")
    labels: tuple[str, ...] = Field(
        (), description="classification: one column per class, with 1 or 0 in each row; in place of label"
    )
    multi_label: bool = Field(
        False, description="whether an image can have several labels or none; separator and row_per imply it"
    )
    separator: str | None = Field(
        None, description='text between the labels of an image, such as "|"; makes the data set multi-label'
    )
    row_per: Literal["image", "label"] = Field(
        "image",
        description="image: one row per image; label: one row per label of an image; makes the data set multi-label",
    )
    unlabelled: Literal["error", "leave_out"] = Field(
        "error", description="what becomes of an image without a label, unless the data set is multi-label"
    )
    class_order: Literal["text", "number"] = Field(
        "text", description="order of the class names: as text, so that 10 stands before 2, or by the numbers in them"
    )
    mask: str | None = Field(None, description="segmentation: column with the mask's path")
    values: dict[str, str] = Field(default_factory=dict, description=f"segmentation: {_VALUES}")
    ignore: tuple[str, ...] = Field((), description=f"segmentation: {_IGNORE}")
    other: str | None = Field(None, description=f"segmentation: {_OTHER}")
    nearest: bool = Field(False, description=f"segmentation: {_NEAREST}")
    channel: tlkit.MaskChannel = Field("auto", description=f"segmentation: {_CHANNEL}")
    split: str | None = Field(
        None, description="column with train, validation or test; tlkit splits the rows where it is empty"
    )
    group: str | None = Field(None, description="column with a group; images of one group stay in one split")
    delimiter: Annotated[str, Field(pattern=r"^(auto|[^\r\n])$")] = Field(
        "auto", description="character between columns; auto: comma, semicolon, tab or vertical bar, by the first line"
    )
    encoding: str = Field(
        "auto", description='encoding of the text, such as "cp1252"; auto: UTF-8, or UTF-16 if the file is marked so'
    )
    header: bool = Field(
        True, description='whether the first line names the columns; otherwise they are called "1", "2", …'
    )


class NpzOptions(tlkit.Options, defer_build=True):
    """Options of ``npz``."""

    path: Path = Field(description=".npz file of NumPy arrays; tlkit init FILE.npz writes a recipe for it")
    images: str | None = Field(
        None,
        description='array of the images, such as "x_train"; where it has the word train, arrays with val and test '
        "in its place are those splits; none: found by its name",
    )
    labels: str | None = Field(
        None, description="classification: array of class numbers, class names, or one column per class; none: found"
    )
    masks: str | None = Field(None, description="segmentation: array of the masks; none: found by its name")
    classes: tuple[str, ...] = Field(
        (), description="class names in the order of their numbers; none: an array such as class_names, or the numbers"
    )
    multi_label: bool = Field(False, description="whether an image can have several labels or none")
    channels: Literal["auto", "last", "first"] = Field(
        "auto", description="whether colours are the last axis, or the first after the images; auto: where 3 or 1 are"
    )
    pixels: Literal["bytes", "unit"] = Field(
        "bytes", description="bytes: whole numbers in 0-255 of any type; unit: numbers in 0-1, which count as 0-255"
    )
    values: dict[str, str] = Field(default_factory=dict, description=f"segmentation: {_VALUES}; none: classes")
    ignore: tuple[str, ...] = Field((), description=f"segmentation: {_IGNORE}")


class PetsOptions(tlkit.Options, defer_build=True):
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


class PublishedOptions(tlkit.Options, defer_build=True):
    """Options of ``fashion_mnist`` and ``cifar10``."""

    path: Path | None = Field(
        None,
        description=".npz file with x_train, y_train, x_test and y_test, or folder with the publisher's files; "
        "none: downloaded once",
    )


class Cifar100Options(PublishedOptions):
    """Options of ``cifar100``."""

    labels: Literal["fine", "coarse"] = Field("fine", description="fine: 100 classes; coarse: their 20 superclasses")


class CatsVsDogsOptions(tlkit.Options, defer_build=True):
    """Options of ``cats_vs_dogs``."""

    path: Path | None = Field(
        None,
        description="folder with PetImages/, with Cat/ and Dog/, or with cat.N.jpg and dog.N.jpg, or a zip of one, "
        "which is unpacked into the user's cache; none: downloaded once (825 MB) and verified",
    )
    per_class: int | None = Field(
        None, ge=1, description="maximum number of images per class, lowest numbers first; none: all"
    )


class DigitsOptions(tlkit.Options, defer_build=True):
    """``digits`` has no options."""


class DigitScenesOptions(tlkit.Options, defer_build=True):
    """Options of ``digit_scenes``."""

    count: int = Field(600, ge=10, le=100_000, description="number of scenes to make")
    size: int = Field(96, ge=32, le=512, description="height and width of a scene in pixels")
    digits: Annotated[int, Field(ge=1, le=9)] = Field(3, description="maximum number of digits in a scene; at least 1")
    target: Literal["digit", "ten"] = Field("digit", description="digit: digit or background; ten: which digit it is")
