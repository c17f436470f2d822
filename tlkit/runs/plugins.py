"""The plugins that a run's parts come from: written down when it is run, and named where one is missing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tlkit.errors import Problem, RecipeError, RunError
from tlkit.recipe.load import parse_recipe
from tlkit.recipe.schema import Recipe, Selection
from tlkit.registry import KINDS, Registry
from tlkit.runs.folder import RunFolder

_Text = Annotated[str, Field(max_length=200)]
_Name = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._\-]*[A-Za-z0-9])?$")]
_Version = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9.!+_\-]+$")]


class RunPart(BaseModel):
    """A part of a run and the plugin that it comes from; read from ``environment.json``, whoever wrote it.

    Args:
        kind: ``head`` and so on.
        name: in the recipe.
        plugin: the entry point's name, or the file's.
        distribution: what to install; None for a single file.
        version: of the distribution.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: _Text
    name: _Text
    plugin: _Text
    distribution: _Name | None
    version: _Version | None


_PARTS = TypeAdapter(Annotated[list[RunPart], Field(max_length=1000)])


def parts_of(recipe: Recipe, registry: Registry) -> list[RunPart]:
    """The parts that a recipe selects."""
    selected: list[Selection[Any]] = [recipe.data, recipe.backbone, recipe.head, *recipe.augment, recipe.schedule]
    parts = []
    for selection in selected:
        kind, name = type(selection.record), selection.record.name
        _, source = registry.find_with_source(kind, name)
        parts.append(
            RunPart(
                kind=KINDS[kind][0],
                name=name,
                plugin=source.plugin,
                distribution=source.distribution,
                version=source.version,
            )
        )
    return parts


def missing_plugins(folder: RunFolder) -> list[str]:
    """A sentence for each part of a run whose plugin is not installed here, or may have to be given.

    Nothing is raised for a run that doesn't tell: this is only asked when something is wrong already.
    """
    try:
        environment = folder.read_json(folder.environment)
        parts = _PARTS.validate_python(environment["parts"])
    except (RunError, OSError, ValidationError, KeyError, TypeError):
        return []
    return [sentence for part in parts if (sentence := _missing(part))]


def _missing(part: RunPart) -> str:
    what = f'the {part.kind} "{part.name}" of this run is '
    if part.distribution is None:
        return f"{what}of the plugin file {part.plugin}: give that file with --plugin, if you trust it"
    try:
        here = version(part.distribution)
    except PackageNotFoundError:
        return (
            f"{what}of {part.distribution} {part.version}, which is not installed: "
            f"pip install {part.distribution}=={part.version}, if you trust it"
        )
    if here != part.version:
        return f"{what}of {part.distribution} {part.version}; here is {here}"
    return ""


def load_run_recipe(folder: RunFolder, registry: Registry, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a run folder.

    Raises:
        RecipeError: it is not valid here; the message names the plugins that the run was made with and that are
            missing.
        RunError: there are links in the folder, or the recipe is no text.
    """
    folder.refuse_links()
    try:
        return parse_recipe(folder.recipe_text(), registry, overrides, folder.recipe)
    except RecipeError as error:
        missing = missing_plugins(folder)
        if not missing:
            raise
        raise RecipeError([*error.problems, *(Problem("", sentence) for sentence in missing)]) from error
