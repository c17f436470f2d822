"""The plugins that a run uses: recorded in its folder, and named in messages if they are missing later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tlkit.errors import PluginError, Problem, RecipeError, RunError
from tlkit.recipe.data_part import DataPart
from tlkit.recipe.load import parse_data_part, parse_recipe
from tlkit.recipe.plugin_files import is_permitted
from tlkit.recipe.schema import Recipe, Selection
from tlkit.registry import KINDS, Registry
from tlkit.registry.discovery import add_file
from tlkit.runs.folder import RunFolder
from tlkit.system.code_files import read_code_file

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
        digest: ``sha256:`` and the SHA-256 of a plugin that is a single file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: _Text
    name: _Text
    plugin: Annotated[str, Field(max_length=4096)]
    distribution: _Name | None
    version: _Version | None
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None


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
                plugin=source.plugin if source.digest is None else str(Path(source.plugin).absolute()),
                distribution=source.distribution,
                version=source.version,
                digest=source.digest,
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
    loaded = set() if registry is None else _loaded(registry)
    sentences = [_missing(part, (part.kind, part.name) in loaded) for part in _parts(folder)]
    return [each for each in sentences if each]


def load_plugins_of(folder: RunFolder, registry: Registry) -> None:
    """Load the plugin files of a run that are missing, where they are unchanged and permitted. Nothing is an error.

    Args:
        folder: the run folder; a file is looked for where it was during the run.
        registry: the plugins, to which they are added; its ``permit`` decides.
    """
    for part in _parts(folder):
        if part.digest is None or (part.kind, part.name) in _loaded(registry):
            continue
        with suppress(PluginError):
            file = read_code_file(Path(part.plugin))
            if file.digest == part.digest and is_permitted(file, registry):
                add_file(registry, file)


def _loaded(registry: Registry) -> set[tuple[str, str]]:
    return {(KINDS[kind].title, name) for kind in KINDS for name in registry.names(kind)}


def _parts(folder: RunFolder) -> list[RunPart]:
    """Return the parts of a run; none if its folder doesn't say which they are."""
    try:
        return _PARTS.validate_python(folder.read_json(folder.environment)["parts"])
    except (RunError, OSError, ValidationError, KeyError, TypeError):
        return []


def _missing(part: RunPart, loaded: bool) -> str:
    start = f'the {part.kind} "{part.name}" of this run comes from '
    if part.distribution is None:
        if loaded:
            return ""
        if not part.plugin.endswith(".py"):
            return f"{start}{part.plugin}, defined in Python: give registry=tlkit.plugins(…) with it"
        which = f"{part.plugin} ({part.digest})" if part.digest else part.plugin
        return f"{start}the plugin file {which}: give that file with --plugin, if you trust it"
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
