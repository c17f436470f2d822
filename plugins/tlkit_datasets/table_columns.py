"""The columns of a table: finding the ones that a recipe names, and guessing which are meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import tlkit
from tlkit_datasets.options import CsvOptions
from tlkit_datasets.table_labels import class_columns
from tlkit_datasets.table_text import TableText

IMAGE_NAMES = (
    "image",
    "images",
    "file",
    "filename",
    "file_name",
    "path",
    "filepath",
    "file_path",
    "image_path",
    "image_id",
    "imageid",
    "image_name",
    "imagename",
    "image_file",
    "img",
    "img_path",
    "image index",
    "image_index",
    "id",
    "id_code",
    "name",
)
LABEL_NAMES = (
    "label",
    "labels",
    "class",
    "classes",
    "class_name",
    "classname",
    "target",
    "category",
    "categories",
    "tags",
    "tag",
    "breed",
    "species",
    "diagnosis",
    "finding labels",
    "finding_labels",
    "attribute_ids",
    "y",
)
MASK_NAMES = ("mask", "mask_path", "mask_file", "maskpath", "segmentation", "mask_name", "seg")
SPLIT_NAMES = ("split", "set", "subset", "part", "partition", "fold", "dataset", "usage")
GROUP_NAMES = (
    "patient",
    "patient_id",
    "patientid",
    "subject",
    "subject_id",
    "group",
    "group_id",
    "study_id",
    "case_id",
)


def columns_of(table: TableText, options: CsvOptions, role: str) -> tuple[dict[str, int], list[str]]:
    """Return the place of each column that a recipe names, and notes on names that differ from the header's by case.

    Args:
        table: the table.
        options: the recipe's options.
        role: what an image is learnt from: ``label``, ``labels`` or ``mask``.

    Returns:
        option → place in the rows; ``labels/NAME`` for each of ``data.labels``.

    Raises:
        DataError: the header lacks a column, or has it twice.
    """
    wanted = {"image": options.image, "split": options.split, "group": options.group}
    if role == "labels":
        wanted |= {f"labels/{name}": name for name in options.labels}
    else:
        wanted[role] = options.mask if role == "mask" else options.label
    if not options.header:
        for key, place in (("image", "1"), ("label", "2")):
            wanted |= {key: place} if wanted.get(key) == CsvOptions.model_fields[key].default else {}
    places, notes = {}, []
    for key, name in wanted.items():
        if not name:
            continue
        places[key] = _place(table, name.strip(), key.partition("/")[0])
        if table.columns[places[key]] != name.strip():
            notes.append(f'the column "{table.columns[places[key]]}" is read as "{name.strip()}"')
    return places, notes


def _place(table: TableText, name: str, key: str) -> int:
    same = [place for place, column in enumerate(table.columns) if column == name]
    same = same or [place for place, column in enumerate(table.columns) if column.casefold() == name.casefold()]
    if len(same) == 1:
        return same[0]
    if same:
        raise tlkit.DataError(
            f'{table.file}:1: {len(same)} columns are called "{name}"; expected one: rename the others'
        )
    shown = ", ".join(table.columns[:20]) or "nothing"
    message = f'{table.file}:1: no column "{name}"; the header has {shown}; name the column with data.{key}'
    if looks_like_rows(table):
        raise tlkit.DataError(
            f"{message}; or, if the first line is an image and not the names of the columns, set data.header = false"
        )
    guess = guessed(table.columns, {"image": IMAGE_NAMES, "label": LABEL_NAMES, "mask": MASK_NAMES}.get(key, ()))
    guess = guess or next(iter(difflib.get_close_matches(name, table.columns, 1)), None)
    if key == "label" and guess is None:
        names = class_columns(table.columns, [cells for _, cells in table.rows], [*IMAGE_NAMES, *SPLIT_NAMES])
        if names:
            listed = ", ".join(f'"{each}"' for each in names)
            raise tlkit.DataError(f"{message}; or, if each class has a column, data.labels = [{listed}]")
    raise tlkit.DataError(message + (f', such as data.{key} = "{guess}"' if guess else ""))


def guessed(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the column whose name is the first of some usual names, in any case; None if there is none."""
    by_name = {re.sub(r"[\s-]+", "_", column.casefold()): column for column in reversed(columns)}
    return next((by_name[name.replace(" ", "_")] for name in names if name.replace(" ", "_") in by_name), None)


def looks_like_rows(table: TableText) -> bool:
    """Return whether the header of a table is itself the name of an image."""
    return any(
        re.search(r"\.(jpe?g|png|bmp|gif|webp|tiff?|jfif|pgm|ppm)$", name, re.IGNORECASE) for name in table.columns
    )
