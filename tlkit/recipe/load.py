"""Read a recipe and check it: every problem at once, each with its line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlkit.contracts import Dataset
from tlkit.errors import Problem, RecipeError
from tlkit.recipe import catalog
from tlkit.recipe.checker import RecipeChecker
from tlkit.recipe.data_part import DataPart
from tlkit.recipe.locate import with_lines
from tlkit.recipe.messages import syntax_problem
from tlkit.recipe.plain import plain_values
from tlkit.recipe.plugin_files import load_plugin_files
from tlkit.recipe.renamed import given_twice, with_current_names
from tlkit.recipe.schema import Recipe
from tlkit.recipe.source import NO_INTEGER, KeyPath, LargeNumberError, parse_toml
from tlkit.recipe.sweep_table import Sweep
from tlkit.registry import Registry
from tlkit.system.text import nearest, size_text

_MAX_BYTES = 2_000_000


def load_recipe(file: Path, registry: Registry, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a TOML file and check it.

    Args:
        file: the TOML file.
        registry: the plugins that its tables may name; those of its key ``plugins`` are added, if permitted.
        overrides: ``key=value`` as ``--set`` takes them; the value is TOML, or else a bare string.

    Raises:
        RecipeError: the recipe has problems; the error has all of them, each with its file, line and key.
        PluginError: a plugin's check of recipes failed.
    """
    return parse_recipe(_read(file), registry, overrides, file)


def read_recipe(recipe: str | Path | Mapping[str, Any], registry: Registry, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and check it like ``load_recipe``.

    Args:
        recipe: a recipe file, the name of a shipped recipe, or the recipe as nested values.
        registry: the plugins that its tables may name.
        overrides: ``key=value`` as ``--set`` takes them.
    """
    if isinstance(recipe, Mapping):
        import tomlkit

        return parse_recipe(tomlkit.dumps(plain_values(recipe)), registry, overrides)
    return load_recipe(catalog.resolve(Path(recipe)), registry, overrides)


def parse_recipe(text: str, registry: Registry, overrides: Sequence[str] = (), file: Path | None = None) -> Recipe:
    """Check a recipe like ``load_recipe``.

    Args:
        text: the text of a TOML file.
        registry: the plugins that its tables may name.
        overrides: ``key=value`` as ``--set`` takes them.
        file: the file that the text comes from; it is only named in messages.
    """
    values = _parse(text, file)
    problems: list[Problem] = []
    overridden_text, overridden = _override(values, text, overrides, problems)
    problems.extend(_nul_characters(values))
    problems.extend(given_twice(values))
    plugin_problems = list(load_plugin_files(values, file, registry))
    if plugin_problems:  # names of the missing plugin would be problems too
        raise RecipeError(with_lines([*problems, *plugin_problems], text, file, overridden))
    recipe = RecipeChecker(with_current_names(values), registry, problems).check(file, overridden_text)
    if recipe is not None and not problems:
        problems.extend(registry.check_recipe(recipe.values))
    if recipe is not None and recipe.sweep is not None and not problems:
        problems.extend(_sweep_problems(recipe.sweep, overridden_text, registry, file))
    if recipe is None or problems:
        raise RecipeError(with_lines(problems, text, file, overridden))
    return recipe


def _sweep_problems(sweep: Sweep, text: str, registry: Registry, file: Path | None) -> Iterator[Problem]:
    from tlkit.recipe.sweep_space import space_problems

    return space_problems(sweep, text, lambda plain, overrides: parse_recipe(plain, registry, overrides, file))


def parse_data_part(text: str, registry: Registry, file: Path | None = None) -> DataPart:
    """Check what a recipe says about its data. The plugins that its other tables name may be missing.

    Args:
        text: the text of a TOML file.
        registry: the plugins that ``[data]`` may name.
        file: the file that the text comes from; it is only named in messages.

    Raises:
        RecipeError: the tables ``[data]``, ``[input]`` and ``[train]``, or the keys above them, have problems.
    """
    values = _parse(text, file)
    problems: list[Problem] = [*_nul_characters(values), *given_twice(values)]
    table = values.get("data")
    name = table.get("name") if isinstance(table, dict) else None
    if name not in registry.names(Dataset):
        problems.extend(load_plugin_files(values, file, registry))
    part = RecipeChecker(with_current_names(values), registry, problems).check_data()
    if part is None or problems:
        raise RecipeError(with_lines(problems, text, file, {}))
    return part


def select_data(part: DataPart, table: Mapping[str, Any], registry: Registry) -> DataPart:
    """Return a recipe's data part with another table ``[data]``.

    Args:
        part: the data part.
        table: the table as plain values.
        registry: the plugins that it may name.

    Raises:
        RecipeError: the table has problems, or the data set is not for the task.
    """
    problems: list[Problem] = []
    values = {"name": part.name, "task": part.task, "seed": part.seed, "data": dict(table)}
    problems.extend(_nul_characters(values))
    selected = RecipeChecker(values, registry, problems).check_data()
    if selected is None or problems:
        raise RecipeError(problems)
    return replace(part, data=selected.data)


def _parse(text: str, file: Path | None) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        if isinstance(error, LargeNumberError) and error.path:
            raise RecipeError(with_lines([Problem(error.path, NO_INTEGER)], text, file, {})) from error
        raise RecipeError([syntax_problem(error, text, file)]) from error


def locate(problems: Sequence[Problem], file: Path | None, overrides: Sequence[str] = ()) -> list[Problem]:
    """Return problems that were found after a recipe was read, with their lines of the file or their overrides."""
    if file is None:
        return list(problems)
    text = _read(file)
    _, overridden = _override(parse_toml(text), text, overrides, [])
    return with_lines(problems, text, file, overridden)


def _nul_characters(value: Any, path: str = "") -> Iterator[Problem]:
    """Yield a problem for each string with a NUL character, which ends the name of a file in the operating system."""
    if isinstance(value, str) and "\0" in value:
        yield Problem(path, "has a NUL character (\\u0000), which no name, path or other text of a recipe can contain")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from _nul_characters(each, f"{path}.{key}".lstrip("."))


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)  # /dev/zero and the like never end
        if len(content) > _MAX_BYTES:
            raise RecipeError([Problem("", f"is larger than {size_text(_MAX_BYTES)}; expected a recipe", file)])
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise RecipeError([Problem("", f"no such file{_nearest_recipe(file)}", file)]) from error
    except IsADirectoryError as error:
        message = "is a folder, expected a recipe file; tlkit init writes a recipe for a folder of images"
        raise RecipeError([Problem("", message, file)]) from error
    except UnicodeDecodeError as error:
        raise RecipeError([Problem("", f"not UTF-8 text: {error.reason} at byte {error.start}", file)]) from error
    except OSError as error:
        raise RecipeError([Problem("", f"can't be read: {error.strerror}", file)]) from error


def refuse_missing(target: Path, folder: str) -> None:
    """Refuse a path that is neither a folder nor a file, nor the name of a shipped recipe.

    Args:
        target: what the user named.
        folder: what a folder would be for the command, such as ``a run folder``.

    Raises:
        RecipeError: there is no such path; the message names a folder or a recipe of a similar name.
    """
    if target.exists() or target.suffix == ".toml" or catalog.resolve(target).is_file():
        return
    above = target.parent if target.parent.is_dir() else Path()
    near = nearest(target.name, (each.name for each in above.iterdir() if each.is_dir()))
    if near is not None:
        what = f"no such recipe, nor {folder}"
        raise RecipeError([Problem("", f'{what}; did you mean "{above / near}"?', target)])


def _nearest_recipe(file: Path) -> str:
    """Return the end of the message about a missing file: the recipe that the user may have meant."""
    folder = file.parent if file.parent.is_dir() else Path()
    beside = {entry.stem: str(folder / entry.name) for entry in folder.glob("*.toml")}
    shipped = {recipe.name: recipe.name for recipe in catalog.shipped()}
    near = nearest(file.stem, beside) or nearest(file.as_posix().removesuffix(".toml"), shipped)
    return f'; did you mean "{(shipped | beside)[near]}"?' if near else "; tlkit recipes ls lists the shipped recipes"


def _override(
    values: dict[str, Any], text: str, overrides: Sequence[str], problems: list[Problem]
) -> tuple[str, dict[KeyPath, str]]:
    """Apply overrides as ``override`` does, which imports tomlkit; most recipes have none."""
    if not overrides:
        return text, {}
    from tlkit.recipe.override import override

    return override(values, text, overrides, problems)
