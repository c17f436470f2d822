"""Backbones as one names them in a line: ``MobileNetV2:alpha=0.35,weights=none``; a name alone has its defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlkit.errors import Problem, RecipeError
from tlkit.recipe.load import parse_recipe
from tlkit.recipe.override import override
from tlkit.recipe.plain import plain_values
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.system.text import toml_string

ALL_SMALL = "all-small"
SMALL = (
    "MobileNetV2:alpha=0.35",
    "MobileNetV2",
    "MobileNet",
    "MobileNetV3Small",
    "MobileNetV3Large",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "NASNetMobile",
    "DenseNet121",
)
"""What ``all-small`` means: networks of keras.applications of up to 8 million weights."""


@dataclass(frozen=True)
class Candidate:
    """A backbone to try.

    Args:
        title: its name, with the options that are named, such as ``MobileNetV2 alpha=0.35``; of paths the last part.
        table: the recipe's ``[backbone]``.
        recipe: the recipe with this backbone.
    """

    title: str
    table: Mapping[str, Any]
    recipe: Recipe

    @property
    def toml(self) -> str:
        """The table as the lines of a recipe."""
        lines = [f"{key} = {_toml(value)}" for key, value in self.table.items()]
        return "\n".join(["[backbone]", *lines])


def candidates(recipe: Recipe, backbones: str | Sequence[str], registry: Registry) -> list[Candidate]:
    """Return the backbones that are named, each in a recipe that has it.

    Args:
        recipe: the recipe in which each takes the place of the backbone.
        backbones: ``all-small``, or names with or without options: a sequence, or one text with commas between them.
        registry: the plugins.

    Raises:
        RecipeError: there is no such backbone or option, or one is named twice.
    """
    import tomlkit

    texts = [backbones] if isinstance(backbones, str) else list(backbones)
    names = [name for text in texts for name in _divided(text)]
    names = [each for name in names for each in (SMALL if name == ALL_SMALL else (name,))]
    if not names:
        raise RecipeError(f"--backbones: expected names such as MobileNetV2,DenseNet121, or {ALL_SMALL}; received none")
    found: list[Candidate] = []
    for name in names:
        title, table = _table(name)
        if any(each.table == table for each in found):
            raise RecipeError(f"--backbones: {title} is named twice")
        title = name if any(each.title == title for each in found) else title
        values = {key: value for key, value in recipe.values.items() if key != "backbone"} | {"backbone": table}
        try:
            # With the recipe's file, beside which its plugins are; the lines would be those of another text.
            found.append(
                Candidate(title, table, parse_recipe(tomlkit.dumps(plain_values(values)), registry, (), recipe.file))
            )
        except RecipeError as error:
            problems = [Problem(f"--backbones {name}", f"{each.path}: {each.message}") for each in error.problems]
            raise RecipeError(problems) from error
    return found


def _divided(text: str) -> list[str]:
    """Return the backbones in a text; a comma before an option, or inside of brackets, does not divide."""
    names: list[str] = []
    for part in re.split(r",(?![^\[\]]*\])", text):
        part = part.strip()
        if "=" in part and ":" not in part.partition("=")[0] and names:
            names[-1] += f",{part}"
        elif part:
            names.append(part)
    return names


def _table(text: str) -> tuple[str, dict[str, Any]]:
    """Return the title and the table of a backbone with its options."""
    name, _, options = text.partition(":")
    given = [each.strip() for each in re.split(r",(?![^\[\]]*\])", options) if each.strip()]
    values: dict[str, Any] = {"backbone": {"name": name.strip()}}
    problems: list[Problem] = []
    override(values, "[backbone]", [f"backbone.{each}" for each in given], problems)
    if problems:
        what = "expected options as of --set after the colon, such as MobileNetV2:alpha=0.35"
        raise RecipeError(f"--backbones {text}: {problems[0].message.replace('backbone.', '')}; {what}")
    return " ".join([name.strip(), *map(_short, given)]), values["backbone"]


def _short(option: str) -> str:
    """Return an option for a title: of a path only the last part."""
    key, equals, value = option.partition("=")
    return f"{key}{equals}{Path(value).name or value}" if "/" in value else option


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return toml_string(value)
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else str(value)
