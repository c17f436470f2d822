"""Make a recipe's text independent of the working directory, for the run folder."""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any

import tomlkit

from tlkit.contracts import Options
from tlkit.files import expanded
from tlkit.recipe.plugin_files import plugin_path
from tlkit.recipe.schema import Recipe
from tlkit.system.remote_names import url_of


def portable_text(recipe: Recipe) -> str:
    """Return the recipe's TOML text with absolute paths, overrides applied and comments preserved."""
    document: Any = tomlkit.parse(recipe.text)  # tomlkit's types differ between its versions
    tables: list[tuple[Any, Options]] = [(document.get("input", {}), recipe.input)]
    tables.append((document.get("train", {}), recipe.train))
    for name in ("data", "backbone", "head", "schedule"):
        tables.append((document[name], getattr(recipe, name).options))
    policies = document.get("augment", [])
    policies = policies if isinstance(policies, list) else [policies]
    tables += [(table, each.options) for table, each in zip(policies, recipe.augment, strict=False)]
    for table, options in tables:
        for key, info in type(options).model_fields.items():
            value = getattr(options, key)
            if isinstance(value, Path) and _takes_path(info.annotation) and key in table:
                table[key] = url_of(value) or expanded(value).resolve().as_posix()
    weights = recipe.backbone.options.weights
    if weights not in ("imagenet", "none") and "weights" in document.get("backbone", {}):
        document["backbone"]["weights"] = expanded(Path(weights)).resolve().as_posix()
    if recipe.plugins:
        document["plugins"] = [plugin_path(each, recipe.file).resolve().as_posix() for each in recipe.plugins]
    return tomlkit.dumps(document)


def _takes_path(annotation: Any) -> bool:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union, typing.Annotated):
        return any(_takes_path(part) for part in typing.get_args(annotation))
    return annotation is Path
