"""The plugins that a run uses: recorded in its folder, and named in messages if they are missing later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tlkit.errors import Problem, RecipeError, RunError
from tlkit.recipe.data_part import DataPart
from tlkit.recipe.load import parse_data_part, parse_recipe
from tlkit.recipe.schema import Recipe, Selection
from tlkit.registry import KINDS, Registry
from tlkit.runs.folder import RunFolder

_Text = Annotated[str, Field(max_length=200)]
_Name = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._\-]*[A-Za-z0-9])?$")]
_Version = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9.!+_\-]+$")]


class RunPart(BaseModel):
    """A part of a run and the plugin that provides it, as in ``environment.json``, which may be someone else's.

    Args:
        kind: the kind of the part, such as ``head``.
        name: its name in the recipe.
        plugin: the name of the plugin's entry point or file.
        distribution: the package to install; None for a plugin that is a single file.
        version: the version of the package.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: _Text
    name: _Text
    plugin: _Text
    distribution: _Name | None
    version: _Version | None


_PARTS = TypeAdapter(Annotated[list[RunPart], Field(max_length=1000)])


def parts_of(recipe: Recipe, registry: Registry) -> list[RunPart]:
    """Return the parts that a recipe selects."""
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


def missing_plugins(folder: RunFolder, registry: Registry | None = None) -> list[str]:
    """Return a sentence for each part of a run whose plugin is missing or has another version here.

    Return nothing for a run folder that doesn't say which plugins it used: this only adds to another error's message.

    Args:
        folder: the run folder.
        registry: the plugins; parts that a plugin file among them offers are not missing. None: all files are.
    """
    try:
        environment = folder.read_json(folder.environment)
        parts = _PARTS.validate_python(environment["parts"])
    except (RunError, OSError, ValidationError, KeyError, TypeError):
        return []
    loaded = {(KINDS[kind].title, name) for kind in KINDS for name in (registry.names(kind) if registry else ())}
    return [sentence for part in parts if (sentence := _missing(part, (part.kind, part.name) in loaded))]


def _missing(part: RunPart, loaded: bool) -> str:
    start = f'the {part.kind} "{part.name}" of this run comes from '
    if part.distribution is None:
        if loaded:
            return ""
        return f"{start}the plugin file {part.plugin}: give that file with --plugin, if you trust it"
    try:
        installed = version(part.distribution)
    except PackageNotFoundError:
        return (
            f"{start}{part.distribution} {part.version}, which is not installed: "
            f"pip install {part.distribution}=={part.version}, if you trust it"
        )
    if installed != part.version:
        return f"{start}{part.distribution} {part.version}; the installed version is {installed}"
    return ""


def load_run_recipe(folder: RunFolder, registry: Registry, overrides: Sequence[str] = ()) -> Recipe:
    """Read the recipe of a run folder.

    Args:
        folder: the run folder.
        registry: the plugins that its tables may name.
        overrides: ``key=value`` as ``--set`` takes them.

    Raises:
        RecipeError: the recipe is not valid here; the message also names missing plugins that the run used.
        RunError: the folder contains links, or the recipe is not UTF-8 text.
    """
    folder.refuse_links()
    with _naming_missing_plugins(folder, registry):
        return parse_recipe(folder.recipe_text(), registry, overrides, folder.recipe)


def load_run_data_part(folder: RunFolder, registry: Registry) -> DataPart:
    """Read what the recipe of a run folder says about its data. The plugins of its other parts may be missing.

    Args:
        folder: the run folder.
        registry: the plugins that ``[data]`` may name.

    Raises:
        RecipeError: the recipe is not valid here; the message also names missing plugins that the run used.
        RunError: the folder contains links, or the recipe is missing or not UTF-8 text.
    """
    folder.refuse_links()
    with _naming_missing_plugins(folder, registry):
        return parse_data_part(folder.recipe_text(), registry, folder.recipe)


@contextmanager
def _naming_missing_plugins(folder: RunFolder, registry: Registry) -> Iterator[None]:
    """Add the plugins that a run used and that are missing here to problems of its recipe."""
    try:
        yield
    except RecipeError as error:
        missing = missing_plugins(folder, registry)
        if not missing:
            raise
        raise RecipeError([*error.problems, *(Problem("", sentence) for sentence in missing)]) from error
