"""Check the tables of a recipe: every problem at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tlkit.boundary.guard import options_code
from tlkit.contracts import Options
from tlkit.errors import PluginError, Problem
from tlkit.recipe.data_part import DataPart
from tlkit.recipe.keras_classes import unknown_classes
from tlkit.recipe.messages import MAX_PROBLEMS, Place, problems_of, show
from tlkit.recipe.rules import engine_formats, policies_after_mixing, second_scaling, tasks_of, wrong_tasks
from tlkit.recipe.schema import CORE_TABLES, OPTIONAL_TABLES, PLUGIN_TABLES, TABLES, Recipe, Selection, TopKeys
from tlkit.recipe.sweep_table import sweep_of
from tlkit.registry import KINDS, Registry
from tlkit.system.text import nearest

Values = dict[str, Any]


class RecipeChecker:
    """Checks one recipe.

    Args:
        values: the recipe's values, as TOML has them.
        registry: the plugins that its tables may name.
        problems: the list that problems are added to, without file and line.
    """

    def __init__(self, values: Values, registry: Registry, problems: list[Problem]) -> None:
        self.values = values
        self.registry = registry
        self.problems = problems
        self.task = values.get("task")
        self.elsewhere = self._keys_of_other_tables()

    def check(self, file: Path | None, text: str) -> Recipe | None:
        """Return the valid recipe; None if there are problems.

        Args:
            file: the recipe's file, if it has one.
            text: its TOML text, overrides applied.
        """
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
            self.problems += wrong_tasks(top.task, chosen | policies, self.registry)
            self.problems += policies_after_mixing(top.task, policies)
        self.problems += second_scaling(core["input"], chosen.get("backbone"), self.registry)
        self.problems += engine_formats(core["train"])
        self.problems += unknown_classes(core["train"], chosen.get("schedule"))
        table = core.pop("sweep")
        sweep = None if table is None or "sweep" not in self.values else sweep_of(table, self.problems)
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
        if not top.plugins:
            del values["plugins"]  # as in the settings that earlier runs recorded
        if "track" not in self.values:
            values.pop("track", None)  # likewise
        values.pop("cluster", None)  # no result depends on it
        parts: Any = {**top.model_dump(), **core, **chosen, "augment": tuple(policies.values()), "sweep": sweep}
        return Recipe(**parts, file=file, text=text, values=values)

    def check_data(self) -> DataPart | None:
        """Return what the recipe says about its data; None if there are problems. The other tables are not checked."""
        before = len(self.problems)
        rest = {key: self.values[key] for key in TopKeys.model_fields if key in self.values}
        top: TopKeys | None = self._options(TopKeys, rest, Place("", "key of a recipe", list(rest), self.elsewhere))
        names = ("input", "train")
        table, train = (self._options(CORE_TABLES[name], self._table(name), self._core_place(name)) for name in names)
        data = self._selection("data", "data", self._table("data"))
        if len(self.problems) > before or top is None or data is None:
            return None
        return DataPart(top.name, top.task, top.seed, data, table, train)

    def _augment(self) -> dict[str, Selection[Any] | None]:
        """Return the policies by the path of their table: ``augment``, or ``augment.0``, ``augment.1``, …"""
        value = self.values.get("augment", {"name": "none"})
        if isinstance(value, dict):
            return {"augment": self._selection("augment", "augment", value)}
        if not isinstance(value, list) or not value or not all(isinstance(each, dict) for each in value):
            expected = "expected a table [augment], or tables [[augment]] that are applied in their order"
            self.problems.append(Problem("augment", f"{expected}, received {show(value)}"))
            return {}
        return {f"augment.{n}": self._selection("augment", f"augment.{n}", each) for n, each in enumerate(value)}

    def _top(self) -> TopKeys | None:
        rest = {key: value for key, value in self.values.items() if key not in TABLES}
        known = [*TopKeys.model_fields, *TABLES]
        top: TopKeys | None = self._options(TopKeys, rest, Place("", "key of a recipe", known, self.elsewhere))
        return top

    def _keys_of_other_tables(self) -> dict[str, str]:
        """Return key → where it belongs, for messages about a key in the wrong table."""
        places = {key: "at the top, above all tables" for key in TopKeys.model_fields if key != "name"}
        models = dict(CORE_TABLES)
        for table, kind in PLUGIN_TABLES.items():
            values = self.values.get(table)
            name = values.get("name") if isinstance(values, dict) else None
            if isinstance(name, str) and name in self.registry.names(kind):
                models[table] = next(record.options for record in self._records(kind) if record.name == name)
        for table, model in models.items():
            for key in model.model_fields:
                places.setdefault(key, f"in [{table}]")
        return places | {table: f"in a table of its own, [{table}]" for table in TABLES}

    def _records(self, kind: type) -> Iterator[Any]:
        return (record for record, _ in self.registry.records(kind))

    def _table(self, name: str) -> Values:
        """Return a table's values; empty if it is missing or not a table."""
        value = self.values.get(name)
        if value is None and name not in OPTIONAL_TABLES:
            unknown = [key for key in self.values if key not in (*TopKeys.model_fields, *TABLES)]
            if not any(nearest(key, TABLES) == name for key in unknown[:MAX_PROBLEMS]):
                self.problems.append(Problem(name, f"missing; expected a table [{name}] with {self._name_hint(name)}"))
        elif value is not None and not isinstance(value, dict) and name != "augment":
            self.problems.append(Problem(name, f"expected a table [{name}], received {show(value)}"))
        return value if isinstance(value, dict) else {}

    def _name_hint(self, table: str) -> str:
        """Return what the ``name`` of a table may be, with some of the names that fit the task."""
        kind = PLUGIN_TABLES[table]
        fitting = [record.name for record in self._records(kind) if self.task in tasks_of(record, self.task)]
        names = list(dict.fromkeys(fitting or self.registry.names(kind)))
        title = KINDS[kind][0]
        article = "an" if title[0] in "aeiou" else "a"
        if not names:
            return f"the name of {article} {title}; no plugin offers one"
        more = ", … (tlkit plugins lists all)" if len(names) > 6 else ""
        return f"the name of {article} {title}: {', '.join(names[:6])}{more}"

    def _selection(self, table: str, path: str, values: Values) -> Selection[Any] | None:
        """Return what a plugin table selects; None if it has problems.

        Args:
            table: the table's name.
            path: its dotted path, such as ``augment.0``.
            values: its values.
        """
        kind = PLUGIN_TABLES[table]
        name = values.get("name")
        if not isinstance(name, str):
            misspelt = next((key for key in values if nearest(key, ["name"])), None) if name is None else None
            received = "nothing" if name is None else show(name)
            hint = f'; did you mean "name" instead of "{misspelt}"?' if misspelt else ""
            message = f"expected {self._name_hint(table)}, received {received}{hint}"
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
        with options_code(record):
            options = self._options(record.options, rest, place)
        return None if options is None else Selection(record, options)

    def _core_place(self, table: str) -> Place:
        return Place(table, f"key of [{table}]", list(CORE_TABLES[table].model_fields), self.elsewhere)

    def _options(self, model: type[Options], values: Values, place: Place) -> Any:
        """Return a table's values as typed options; None if they have problems."""
        try:
            # As JSON: pydantic's strict mode takes no string for a path and no list for a tuple from Python.
            return model.model_validate_json(json.dumps(values, default=str))
        except ValidationError as error:
            self.problems.extend(problems_of(error, values, model, place))
            return None


def _plain(selection: Selection[Any]) -> Values:
    with options_code(selection.record):
        return {"name": selection.record.name, **selection.options.model_dump(mode="json")}
