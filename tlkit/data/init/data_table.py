"""Write the table ``[data]`` of a first recipe."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from tlkit.contracts import Detected
from tlkit.data.images.mask_classes import value_text
from tlkit.data.init.contents import MaskSurvey, Survey
from tlkit.data.init.describe import percent
from tlkit.errors import DataError
from tlkit.system.text import toml_string
from tlkit.system.visible import visible_line

TARGETS = ("trimap", "pet", "species", "breed")
"""What can be learnt from the Oxford-IIIT Pet data set."""


@dataclass(frozen=True)
class Choices:
    """What the options of ``tlkit init`` decide.

    Args:
        backbone: the name of the backbone.
        weights: the weights of the backbone.
        target: what to learn from the Oxford-IIIT Pet data set: trimap, pet, species or breed.
    """

    backbone: str = "MobileNetV2"
    weights: str = "imagenet"
    target: str = "trimap"


def beside(text: str, comment: str) -> str:
    """Return a line with a comment, in the same column as all other comments."""
    return f"{text:<27} {comment_line(comment)}"


def comment_line(text: str) -> str:
    """Return a comment of a recipe, whatever names are in it."""
    return f"# {visible_line(text)}"


def is_segmentation(survey: Survey, choices: Choices) -> bool:
    """Return whether the recipe for a survey is for segmentation."""
    if survey.detected is not None:
        return survey.detected.task == "segmentation"
    return survey.layout == "masks" or (survey.layout == "oxford_pets" and choices.target in ("trimap", "pet"))


def data_table(survey: Survey, choices: Choices) -> str:
    """Return the table ``[data]`` as TOML, with a comment beside each choice."""
    if survey.detected is not None:
        return "\n".join(_detected_lines(survey.dataset, survey.detected))
    if survey.layout == "classes":
        name = beside('name = "folder"', "one folder per class")
        options = _option_lines(survey.options, survey.comments)
        return "\n".join(["[data]", name, f"path = {path_text(survey.root)}", *options])
    if survey.layout == "oxford_pets":
        others = ", ".join(f'"{each}"' for each in TARGETS if each != choices.target)
        target = beside(f'target = "{choices.target}"', f"or {others}")
        return "\n".join(["[data]", 'name = "oxford_pets"', f"path = {path_text(survey.root)}", target])
    assert survey.masks is not None
    return "\n".join(_mask_lines(survey.masks))


_OPTION_COMMENTS = {
    "image_prefix": "what images' names begin with",
    "image_suffix": "what images' names end with",
    "mask_prefix": "what masks' names begin with",
    "mask_suffix": "what a mask's name adds to its image's name",
    "splits": "or none, and tlkit draws the splits",
    "channel": "the channel of the masks that has the values",
    "nearest": "values between count as the nearest class: these masks are JPEG or smoothed",
}


def _mask_lines(masks: MaskSurvey) -> Iterator[str]:
    values = masks.values
    yield "[data]"
    yield 'name = "masks"'
    for key, value in masks.options.items():
        line = f"{key} = {_value_text(value)}"
        yield beside(line, _OPTION_COMMENTS[key]) if key in _OPTION_COMMENTS else line
    if values.nearest:
        yield beside("nearest = true", _OPTION_COMMENTS["nearest"])
    stray = {} if values.nearest else values.others
    ignored = {**values.ignored, **stray}
    if ignored:
        what = "usually mark" if len(ignored) > 1 else "usually marks"
        why = f"{what} unlabelled pixels" if values.ignored else "too rare to be classes"
        why += ", or too rare to be classes" if values.ignored and stray else ""
        texts = json.dumps([value_text(value) for value in ignored])
        yield beside(f"ignore = {texts}", f"{why}; {percent(sum(ignored.values()))} of the pixels")
    shares = {value_text(value): share for value, share in values.classes.items()}
    if masks.names_file is None:
        yield "# Mask value = class name. Replace these names with the real ones."
    else:
        yield comment_line(f"Mask value = class name, from {masks.names_file.as_posix()}.")
    yield "[data.values]"
    for key, name in _class_names(masks, list(shares)).items():
        share = f"{percent(shares[key])} of the pixels" if shares[key] else "in none of the masks that init opened"
        yield beside(f"{toml_string(key)} = {toml_string(name)}", share)


def _class_names(masks: MaskSurvey, keys: Sequence[str]) -> dict[str, str]:
    """Return mask value → the name of its class, or a placeholder for it."""
    if masks.names:
        return {key: masks.names.get(key, "background" if key == "0" else f"class_{key.lstrip('#')}") for key in keys}
    if list(keys) == ["1", "2", "3"] and Path(masks.options["masks"]).name.lower() == "trimaps":
        return {"1": "pet", "2": "background", "3": "border"}
    if len(keys) == 2 and keys[0] in ("0", "#000000"):
        return {keys[0]: "background", keys[1]: "object"}
    names = {key: f"class_{key.lstrip('#').replace('-', 'minus_')}" for key in keys}
    if "0" in names:
        names["0"] = "background"
    return names


def _detected_lines(dataset: str, detected: Detected) -> Iterator[str]:
    yield "[data]"
    yield f"name = {json.dumps(dataset)}"
    yield from _option_lines(detected.options, detected.comments)


def _option_lines(options: Mapping[str, Any], comments: Mapping[str, str]) -> Iterator[str]:
    tables = {key: value for key, value in options.items() if isinstance(value, dict) and value}
    for key, value in options.items():
        if key not in tables:
            line = f"{key} = {_value_text(value)}"
            yield beside(line, comments[key]) if key in comments else line
    yield from (comment_line(line) for key, line in comments.items() if key not in options)
    for key, table in tables.items():
        if key in comments:
            yield comment_line(comments[key])
        yield f"[data.{key}]"
        yield from (f"{toml_string(name)} = {_value_text(each)}" for name, each in table.items())


def _value_text(value: Any) -> str:
    if isinstance(value, Path):
        return path_text(value)
    if isinstance(value, str):
        check_name(value)
        return toml_string(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value_text, value))}]"
    return str(tomlkit.item(value).as_string())


def check_name(name: str) -> None:
    """Check that a name is Unicode text: a file system allows any bytes, TOML does not."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise DataError(f"{shown}: the name is not in UTF-8, so it can't be written in a recipe; rename it") from error


def path_text(path: Path) -> str:
    """Return a path as a recipe writes it.

    Raises:
        DataError: the path is not in UTF-8.
    """
    for name in path.parts:
        check_name(name)
    return toml_string(path.as_posix())
