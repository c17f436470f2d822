"""Reading and checking a recipe: every problem at once, each with its line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from tlkit.contracts import Augmentation, Backbone, Dataset, Head, Options, Record, Task
from tlkit.errors import PluginError, Problem, RecipeError
from tlkit.recipe import catalog
from tlkit.recipe.messages import Place, problems_of, show, syntax_problem
from tlkit.recipe.override import override
from tlkit.recipe.schema import PLUGIN_TABLES, CheckTable, InputTable, Recipe, Selection, TrainTable
from tlkit.recipe.source import KeyPath, key_lines, parse_toml
from tlkit.registry import KINDS, Registry
from tlkit.system.text import nearest

Values = dict[str, Any]

_MOST_BYTES = 16_000_000


class _Top(Options):
    """What stands above the tables."""

    name: str = Field(description="of the recipe; names the run folder", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")
    task: Task = Field(description='"classification" or "segmentation"')
    seed: int = Field(0, ge=0, lt=2**31, description="of every random draw")


CORE_TABLES: Mapping[str, type[Options]] = {"input": InputTable, "train": TrainTable, "check": CheckTable}
TOP = _Top
TABLES = ("data", "input", "check", "backbone", "head", "augment", "schedule", "train")
OPTIONAL_TABLES = ("input", "check", "augment", "train")


def load_recipe(file: Path, registry: Registry, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a TOML file and check it.

    Args:
        file: the TOML file.
        registry: the plugins that its tables may name.
        overrides: ``key=value`` as ``--set`` takes them; the value is TOML, or else a bare string.

    Raises:
        RecipeError: with all problems that were found, each with its file, line and key.
        PluginError: a plugin's check of recipes failed.
    """
    return parse_recipe(_read(file), registry, overrides, file)


def parse_recipe(text: str, registry: Registry, overrides: Sequence[str] = (), file: Path | None = None) -> Recipe:
    """As ``load_recipe``, from the text of a TOML file. ``file`` is only for the messages."""
    try:
        values = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError([syntax_problem(error, text, file)]) from error
    problems: list[Problem] = []
    overridden_text, overridden = override(values, text, overrides, problems)
    problems.extend(_with_nul(values))
    recipe = _Checker(values, registry, problems).check(file, overridden_text)
    if recipe is not None and not problems:
        problems.extend(registry.check_recipe(recipe.values))
    if recipe is None or problems:
        raise RecipeError(_locate(problems, text, file, overridden))
    return recipe


def _with_nul(value: Any, path: str = "") -> Iterator[Problem]:
    """A problem for each string with a NUL character, which ends a file's name for the operating system."""
    if isinstance(value, str) and "\0" in value:
        yield Problem(
            path, "has a NUL character (\\u0000), which neither a file nor anything else can have in its name"
        )
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from _with_nul(each, f"{path}.{key}".lstrip("."))


def locate(problems: Sequence[Problem], file: Path | None, overrides: Sequence[str] = ()) -> list[Problem]:
    """Problems that were found after the recipe was read, each with its line of the file or its override."""
    if file is None:
        return list(problems)
    text = _read(file)
    _, overridden = override(parse_toml(text), text, overrides, [])
    return _locate(problems, text, file, overridden)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)  # /dev/zero and the like never end
        if len(content) > _MOST_BYTES:
            raise RecipeError([Problem("", f"has more than {_MOST_BYTES} bytes; expected a recipe", file)])
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        folder = file.parent if file.parent.is_dir() else Path()
        beside = {entry.stem: str(folder / entry.name) for entry in folder.glob("*.toml")}
        shipped = {recipe.name: recipe.name for recipe in catalog.shipped()}
        near = nearest(file.stem, beside) or nearest(file.as_posix().removesuffix(".toml"), shipped)
        hint = f'; did you mean "{(shipped | beside)[near]}"?' if near else "; tlkit recipes ls lists the shipped ones"
        raise RecipeError([Problem("", f"no such file{hint}", file)]) from error
    except IsADirectoryError as error:
        message = "is a folder, expected a recipe file; tlkit init writes a recipe for a folder of images"
        raise RecipeError([Problem("", message, file)]) from error
    except UnicodeDecodeError as error:
        raise RecipeError([Problem("", f"not UTF-8 text: {error.reason} at byte {error.start}", file)]) from error
    except OSError as error:
        raise RecipeError([Problem("", f"can't be read: {error.strerror}", file)]) from error


class _Checker:
    """Checks the tables of one recipe and collects what is wrong in ``problems``."""

    def __init__(self, values: Values, registry: Registry, problems: list[Problem]) -> None:
        self.values = values
        self.registry = registry
        self.problems = problems
        self.task = values.get("task")
        self.elsewhere = self._keys_of_other_tables()

    def check(self, file: Path | None, text: str) -> Recipe | None:
        before = len(self.problems)
        top = self._top()
        tables = {name: self._table(name) for name in TABLES}
        core = {name: self._options(model, tables[name], self._core_place(name)) for name, model in CORE_TABLES.items()}
        policies = self._augment()
        chosen = {
            name: self._selection(name, name, tables[name])
            for name in PLUGIN_TABLES
            if name != "augment" and isinstance(self.values.get(name), dict)
        }
        if top is not None:
            self._tasks(top.task, chosen | policies)
            self._mixing_last(top.task, policies)
        self._normalized(core["input"], chosen.get("backbone"))
        if len(self.problems) > before or top is None:
            return None
        plain: Values = {path: _plain(each) for path, each in (chosen | policies).items() if each}
        if "augment" not in plain:
            plain["augment"] = [plain.pop(path) for path in policies]
        values: Values = {
            **top.model_dump(mode="json"),
            **plain,
            **{name: options.model_dump(mode="json") for name, options in core.items() if options},
        }
        parts: Any = {**top.model_dump(), **core, **chosen, "augment": tuple(policies.values())}
        return Recipe(**parts, file=file, text=text, values=values)

    def _augment(self) -> dict[str, Selection[Any] | None]:
        """The policies by their place: ``augment``, or ``augment.0``, ``augment.1``, …"""
        value = self.values.get("augment", {"name": "none"})
        if isinstance(value, dict):
            return {"augment": self._selection("augment", "augment", value)}
        if not isinstance(value, list) or not value or not all(isinstance(each, dict) for each in value):
            expected = "expected a table [augment], or tables [[augment]] that are applied in their order"
            self.problems.append(Problem("augment", f"{expected}, received {show(value)}"))
            return {}
        return {f"augment.{n}": self._selection("augment", f"augment.{n}", each) for n, each in enumerate(value)}

    def _mixing_last(self, task: str, policies: Mapping[str, Selection[Any] | None]) -> None:
        """Mixed masks are shares of classes, which no policy that moves pixels of class numbers can take."""
        mixing = None
        for path, each in policies.items():
            if each is None:
                continue
            if each.record.soft_labels:
                mixing = each.record.name
            elif mixing and task == "segmentation" and each.record.name != "none":
                message = f'"{each.record.name}" can\'t follow "{mixing}", which mixes masks; put it before'
                self.problems.append(Problem(f"{path}.name", message))

    def _normalized(self, table: InputTable | None, backbone: Selection[Backbone] | None) -> None:
        if table is None or backbone is None or table.normalize == "none" or backbone.record.takes_standardized:
            return
        fitting = [record.name for record in self._records(Backbone) if record.takes_standardized]
        message = (
            f'backbone "{backbone.record.name}" has preprocessing of its own, which its weights rely on; expected '
            f'"none", or a backbone that takes normalised images: {", ".join(fitting)}'
        )
        self.problems.append(Problem("input.normalize", message))

    def _top(self) -> _Top | None:
        rest = {key: value for key, value in self.values.items() if key not in TABLES}
        known = [*_Top.model_fields, *TABLES]
        found: _Top | None = self._options(_Top, rest, Place("", "key of a recipe", known, self.elsewhere))
        return found

    def _keys_of_other_tables(self) -> dict[str, str]:
        """Key → where it belongs, for keys that stand in the wrong table."""
        found = {key: "at the top, above all tables" for key in _Top.model_fields if key != "name"}
        models = dict(CORE_TABLES)
        for table, kind in PLUGIN_TABLES.items():
            values = self.values.get(table)
            name = values.get("name") if isinstance(values, dict) else None
            if isinstance(name, str) and name in self.registry.names(kind):
                models[table] = next(record.options for record in self._records(kind) if record.name == name)
        for table, model in models.items():
            for key in model.model_fields:
                found.setdefault(key, f"in [{table}]")
        return found | {table: f"in a table of its own, [{table}]" for table in TABLES}

    def _records(self, kind: type) -> Iterator[Any]:
        return (record for record, _ in self.registry.records(kind))

    def _table(self, name: str) -> Values:
        value = self.values.get(name)
        if value is None and name not in OPTIONAL_TABLES:
            misspelt = [key for key in self.values if key not in (*_Top.model_fields, *TABLES)]
            if not any(nearest(key, TABLES) == name for key in misspelt):
                self.problems.append(Problem(name, f"missing; expected a table [{name}] with {self._a_name(name)}"))
        elif value is not None and not isinstance(value, dict) and name != "augment":
            self.problems.append(Problem(name, f"expected a table [{name}], received {show(value)}"))
        return value if isinstance(value, dict) else {}

    def _a_name(self, table: str) -> str:
        kind = PLUGIN_TABLES[table]
        fitting = [record.name for record in self._records(kind) if self.task in _tasks(record, self.task)]
        names = list(dict.fromkeys(fitting or self.registry.names(kind)))
        title = KINDS[kind][0]
        article = "an" if title[0] in "aeiou" else "a"
        if not names:
            return f"the name of {article} {title}; no plugin offers one"
        more = ", … (tlkit plugins lists all)" if len(names) > 6 else ""
        return f"the name of {article} {title}: {', '.join(names[:6])}{more}"

    def _selection(self, table: str, path: str, values: Values) -> Selection[Any] | None:
        kind = PLUGIN_TABLES[table]
        name = values.get("name")
        if not isinstance(name, str):
            misspelt = next((key for key in values if nearest(key, ["name"])), None) if name is None else None
            received = "nothing" if name is None else show(name)
            hint = f'; did you mean "name" by "{misspelt}"?' if misspelt else ""
            message = f"expected {self._a_name(table)}, received {received}{hint}"
            self.problems.append(Problem(f"{path}.name", message))
            return None
        try:
            record, source = self.registry.find_with_source(kind, name)
        except PluginError as error:
            self.problems.append(Problem(f"{path}.name", str(error)))
            return None
        rest = {key: value for key, value in values.items() if key != "name"}
        owner = f'option of {KINDS[kind][0]} "{name}" ({source})'
        place = Place(path, owner, list(record.options.model_fields), self.elsewhere)
        options = self._options(record.options, rest, place)
        return None if options is None else Selection(record, options)

    def _core_place(self, table: str) -> Place:
        return Place(table, f"key of [{table}]", list(CORE_TABLES[table].model_fields), self.elsewhere)

    def _options(self, model: type[Options], values: Values, place: Place) -> Any:
        try:
            # As JSON: pydantic's strict mode takes no string for a path and no list for a tuple from Python.
            return model.model_validate_json(json.dumps(values, default=str))
        except ValidationError as error:
            self.problems.extend(problems_of(error, values, model, place))
            return None

    def _tasks(self, task: str, chosen: Mapping[str, Selection[Any] | None]) -> None:
        for path, selection in chosen.items():
            if selection is None or task in _tasks(selection.record, task):
                continue
            kind = PLUGIN_TABLES[path.partition(".")[0]]
            tasks = " and ".join(_tasks(selection.record, task))
            others = [each.name for each in self._records(kind) if task in _tasks(each, task)]
            message = (
                f'{KINDS[kind][0]} "{selection.record.name}" is for {tasks}, but the task is {task}; '
                f"for it there are {', '.join(others) or 'none that is installed'}"
            )
            self.problems.append(Problem(f"{path}.name", message))


def _plain(selection: Selection[Any]) -> Values:
    return {"name": selection.record.name, **selection.options.model_dump(mode="json")}


def _tasks(record: Record, task: Any) -> tuple[Any, ...]:
    """The tasks that a record serves; any, for backbones and schedules."""
    if isinstance(record, Head):
        return (record.task,)
    return record.tasks if isinstance(record, Dataset | Augmentation) else (task,)


def _locate(
    problems: Sequence[Problem], text: str, file: Path | None, overridden: Mapping[KeyPath, str]
) -> list[Problem]:
    lines = {".".join(str(part) for part in path): line for path, line in key_lines(text).items()}
    sources = {".".join(str(part) for part in path): each for path, each in overridden.items()}
    located = []
    for problem in problems:
        source = _source(problem.path, sources, lines)
        if problem.path == "--set":
            located.append(problem)
        elif source is not None:
            message = problem.message if source.startswith(f"{problem.path}=") else f"{problem.path}: {problem.message}"
            located.append(Problem(f"--set {source}", message))
        else:
            path = problem.path
            while path and path not in lines:
                path = path.rpartition(".")[0]
            located.append(Problem(problem.path, problem.message, file, lines.get(path)))
    return sorted(located, key=lambda each: (each.line is None, each.line or 0))


def _source(path: str, sources: dict[str, str], lines: Mapping[str, int]) -> str | None:
    """The override that a problem comes from; None when it comes from the file."""
    for key, source in reversed(sources.items()):
        made_the_table = path not in lines and key.startswith(f"{path}.")
        if path == key or path.startswith(f"{key}.") or (path and made_the_table):
            return source
    return None
