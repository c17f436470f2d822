"""Reading and checking a recipe: every problem at once, each with its line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import Field, ValidationError

from tlkit.contracts import Augmentation, Dataset, Head, Options, Task
from tlkit.errors import PluginError, Problem, RecipeError
from tlkit.recipe.schema import PLUGIN_TABLES, InputTable, Recipe, Selection, TrainTable
from tlkit.recipe.source import KeyPath, key_lines, syntax_error_line
from tlkit.registry import KINDS, Registry, Source, nearest

Values = dict[str, Any]


class _Top(Options):
    """What stands above the tables."""

    name: str = Field(description="of the recipe; names the run folder", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")
    task: Task = Field(description='"classification" or "segmentation"')
    seed: int = Field(0, ge=0, lt=2**31, description="of every random draw")


CORE_TABLES: Mapping[str, type[Options]] = {"input": InputTable, "train": TrainTable}
TOP = _Top
TABLES = ("data", "input", "backbone", "head", "augment", "schedule", "train")
OPTIONAL_TABLES = ("input", "augment", "train")


def load_recipe(file: Path, registry: Registry, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a TOML file and check it.

    Args:
        file: the TOML file.
        registry: the plugins that its tables may name.
        overrides: ``key=value`` as ``--set`` takes them; the value is TOML, or else a bare string.

    Raises:
        RecipeError: with all problems that were found, each with its file, line and key.
    """
    return parse_recipe(_read(file), registry, overrides, file)


def parse_recipe(text: str, registry: Registry, overrides: Sequence[str] = (), file: Path | None = None) -> Recipe:
    """As ``load_recipe``, from the text of a TOML file. ``file`` is only for the messages."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = syntax_error_line(error, text)
        raise RecipeError([Problem("", f"not TOML: {error}", file, line)]) from error
    problems: list[Problem] = []
    overridden_text, overridden = _override(values, text, overrides, problems)
    recipe = _Checker(values, registry, problems).check(file, overridden_text)
    if recipe is not None and not problems:
        problems.extend(registry.check_recipe(recipe.values))
    if recipe is None or problems:
        raise RecipeError(_locate(problems, text, file, overridden))
    return recipe


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        folder = file.parent if file.parent.is_dir() else Path()
        near = nearest(file.name, (entry.name for entry in folder.glob("*.toml")))
        hint = f'; did you mean "{folder / near}"?' if near else "; tlkit recipes ls lists the shipped ones"
        raise RecipeError([Problem("", f"no such file{hint}", file)]) from error
    except IsADirectoryError as error:
        message = "is a folder, expected a recipe file; tlkit init writes a recipe for a folder of images"
        raise RecipeError([Problem("", message, file)]) from error
    except UnicodeDecodeError as error:
        raise RecipeError([Problem("", f"not UTF-8 text: {error.reason}", file)]) from error
    except OSError as error:
        raise RecipeError([Problem("", f"can't be read: {error.strerror}", file)]) from error


class _Checker:
    def __init__(self, values: Values, registry: Registry, problems: list[Problem]) -> None:
        self.values = values
        self.registry = registry
        self.problems = problems

    def check(self, file: Path | None, text: str) -> Recipe | None:
        before = len(self.problems)
        top = self._top()
        tables = {name: self._table(name) for name in TABLES}
        core = {name: self._options(model, tables[name], name) for name, model in CORE_TABLES.items()}
        chosen = {name: self._selection(name, tables[name]) for name in PLUGIN_TABLES}
        if top is not None:
            self._tasks(top.task, chosen)
        if len(self.problems) > before or top is None:
            return None
        values: Values = {
            **top.model_dump(mode="json"),
            **{name: {"name": c.record.name, **c.options.model_dump(mode="json")} for name, c in chosen.items() if c},
            **{name: options.model_dump(mode="json") for name, options in core.items() if options},
        }
        return Recipe(
            **top.model_dump(),
            **core,
            **chosen,
            file=file,
            text=text,
            values=values,  # type: ignore[arg-type]
        )

    def _top(self) -> _Top | None:
        rest = {key: value for key, value in self.values.items() if key not in TABLES}
        known = [*_Top.model_fields, *TABLES]
        return self._options(_Top, rest, "", "key of a recipe", known)

    def _table(self, name: str) -> Values:
        value = self.values.get(name)
        if value is None and name not in OPTIONAL_TABLES:
            kind = KINDS[PLUGIN_TABLES[name]][0]
            self.problems.append(Problem(name, f"missing; expected a table [{name}] whose name selects a {kind}"))
        elif value is not None and not isinstance(value, dict):
            self.problems.append(Problem(name, f"expected a table [{name}], received {_show(value)}"))
        return value if isinstance(value, dict) else {}

    def _selection(self, table: str, values: Values) -> Selection[Any] | None:
        kind = PLUGIN_TABLES[table]
        if table not in self.values and table == "augment":
            values = {"name": "none"}
        elif not isinstance(self.values.get(table), dict):
            return None
        name = values.get("name")
        if not isinstance(name, str):
            shown = ", ".join(self.registry.names(kind)[:12])
            received = "nothing" if name is None else _show(name)
            message = f"expected the name of a {KINDS[kind][0]} (such as {shown}), received {received}"
            self.problems.append(Problem(f"{table}.name" if "name" in values else table, message))
            return None
        try:
            record, source = self.registry.find_with_source(kind, name)  # type: ignore[type-var]
        except PluginError as error:
            self.problems.append(Problem(f"{table}.name", str(error)))
            return None
        rest = {key: value for key, value in values.items() if key != "name"}
        owner = f'option of {KINDS[kind][0]} "{name}" ({_owner(source)})'
        options = self._options(record.options, rest, table, owner)
        return None if options is None else Selection(record, options)

    def _options(
        self,
        model: type[Options],
        values: Values,
        table: str,
        owner: str | None = None,
        known: Sequence[str] = (),
    ) -> Any:
        owner = owner or f"key of [{table}]"
        known = known or [name for name in model.model_fields if name != "name"] or ["name"]
        try:
            return model.model_validate_json(json.dumps(values, default=str))
        except ValidationError as error:
            self.problems.extend(_problems(error, values, table, owner, known))
            return None

    def _tasks(self, task: str, chosen: Mapping[str, Selection[Any] | None]) -> None:
        for table, kind in (("data", Dataset), ("augment", Augmentation), ("head", Head)):
            selection = chosen[table]
            if selection is None:
                continue
            record = selection.record
            tasks = (record.task,) if isinstance(record, Head) else record.tasks
            if task not in tasks:
                others = [
                    each.name
                    for each, _ in self.registry.records(kind)  # type: ignore[type-var]
                    if task in ((each.task,) if isinstance(each, Head) else each.tasks)  # type: ignore[attr-defined]
                ]
                self.problems.append(
                    Problem(
                        f"{table}.name",
                        f'"{record.name}" is for {" and ".join(tasks)}, but the task is {task}; '
                        f"expected one of {', '.join(others) or 'none that is installed'}",
                    )
                )


def _locate(
    problems: Sequence[Problem], text: str, file: Path | None, overridden: Mapping[KeyPath, str]
) -> list[Problem]:
    lines = {tuple(str(part) for part in path): line for path, line in key_lines(text).items()}
    located = []
    for problem in problems:
        path = tuple(problem.path.split(".")) if problem.path else ()
        source = next((override for key, override in overridden.items() if path[: len(key)] == key), None)
        if problem.path == "--set":
            located.append(Problem("--set", problem.message))
        elif source is not None:
            located.append(Problem(f"--set {source}", f"{problem.path}: {problem.message}"))
        else:
            line = next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)
            located.append(Problem(problem.path, problem.message, file, line))
    return sorted(located, key=lambda each: (each.line is None, each.line or 0))
