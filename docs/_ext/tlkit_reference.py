"""Write the reference parts of the documentation from the code while Sphinx reads the pages.

A line ``% generated: NAME`` of a page is replaced by the Markdown that ``PARTS[NAME]`` returns, and a line
``% file: PATH`` by a file of the repository. Nothing here imports Sphinx: the tests read the parts without it.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import tlkit
from tlkit.cli.option_texts import toml_value, type_names
from tlkit.contracts import Curve, Head
from tlkit.data.checks.findings import KINDS as FINDINGS
from tlkit.recipe import catalog
from tlkit.recipe.schema import CORE_TABLES, OPTIONAL_TABLES, PLUGIN_TABLES, TABLES, CheckTable, TopKeys
from tlkit.registry import Registry
from tlkit.registry.discovery import make_registry

ROOT = Path(__file__).parent.parent.parent

HEADINGS = {
    "backbone": "Backbones",
    "head": "Heads",
    "augment": "Augmentation policies",
    "schedule": "Schedules",
    "data": "Data sets",
}
"""Table of a recipe that selects a plugin's record → the heading in the catalogue."""


@cache
def registry() -> Registry:
    """The plugins that come with tlkit."""
    return make_registry(environ={"TLKIT_PLUGINS": "tlkit"})


def records(table: str) -> list[Any]:
    """The records that a table of a recipe can select, by name."""
    return [record for record, _ in registry().records(PLUGIN_TABLES[table])]


def recipe_tables() -> str:
    """Every table and key of a recipe."""
    lines = ["### Above the tables", "", *key_table(TopKeys)]
    for table in TABLES:
        optional = "Optional. " if table in OPTIONAL_TABLES else ""
        lines += ["", f"### `[{table}]`", ""]
        if table in CORE_TABLES:
            lines += [f"{optional}{_summary(CORE_TABLES[table])}", "", *key_table(CORE_TABLES[table])]
        else:
            kind = HEADINGS[table]
            lines += [
                f"{optional}`name` selects one of the {len(records(table))} {kind.lower()} of the "
                f"[catalogue](catalogue.md#{_anchor(kind)}). The other keys are its options."
            ]
    return "\n".join(lines)


def value_tables() -> str:
    """The tables that are values of keys: optimizers, curves, early stop, loss."""
    models = [*CORE_TABLES.values(), *(record.options for table in HEADINGS for record in records(table))]
    inner = {_value_title(each): each for model in models for each in _inner_models(model)}
    lines: list[str] = []
    for title in sorted(inner):
        lines += [f"### {title}", "", _summary(inner[title]), "", *key_table(inner[title]), ""]
        if inner[title].model_config.get("extra") == "allow":
            lines += ["Every other key is an argument of the Keras class.", ""]
    return "\n".join(lines)


def catalogue(table: str) -> str:
    """All records that a table of a recipe can select; those with the same options together."""
    groups: dict[type[BaseModel], list[Any]] = {}
    for record in records(table):
        groups.setdefault(record.options, []).append(record)
    lines: list[str] = []
    for options, members in groups.items():
        names = [f"`{each.name}`" for each in members]
        lines += [f"### {' and '.join(names) if len(names) < 4 else 'keras.applications'}", ""]
        if len(members) == 1:
            lines += [f"{_capital(members[0].summary)}.{_tasks(members[0])}", ""]
        else:
            lines += [
                f"- `{each.name}`: {each.summary.removeprefix(f'{each.name}, ')}.{_tasks(each)}" for each in members
            ]
            lines += ["", "They have the same options:", ""]
        lines += [*key_table(options), ""]
    return "\n".join(lines)


def shipped_recipes() -> str:
    """The recipes that come with tlkit."""
    rows = [(f"`{each.name}`", each.summary) for each in catalog.shipped()]
    return "\n".join(_grid(("Recipe", "What it does"), rows))


def findings() -> str:
    """What ``tlkit check`` can find, what happens by default, and what to do about it."""
    rows = []
    for kind, (title, advice) in FINDINGS.items():
        info = CheckTable.model_fields.get(kind)
        rows.append((f"`{kind}`", title, "`error`" if info is None else f"`{info.default}`", advice))
    return "\n".join(_grid(("Key", "What it is", "Default", "What to do"), rows))


def key_table(model: type[BaseModel]) -> list[str]:
    """The keys of a table of a recipe: type, default, meaning."""
    if not model.model_fields:
        return ["It has no options."]
    schema = model.model_json_schema()
    rows = []
    for key, info in model.model_fields.items():
        alternatives = type_names(schema["properties"][key], schema.get("$defs", {}))
        default = "required" if info.is_required() else toml_value(info.get_default(call_default_factory=True))
        shown = default if default in ("required", "none") else f"`{default}`"
        meaning = _escaped(info.description or "")
        rows.append((f"`{key}`", " or ".join(f"`{each}`" for each in alternatives), shown, meaning))
    return _grid(("Key", "Type", "Default", "Meaning"), rows)


def repository_file(path: str) -> str:
    """A Markdown file of the repository, its links changed to lead to pages of the site.

    A link to a file that is no page becomes its text.
    """
    pages = {file: page.name for page in ROOT.glob("docs/*.md") for file in _included(page)}

    def link(match: re.Match[str]) -> str:
        text, target = match.groups()
        page = pages.get(target, target.removeprefix("docs/"))
        return f"[{text}]({page})" if (ROOT / "docs" / page).is_file() else text

    return re.sub(r"\[([^]]+)\]\((?!https?:)([^)]+)\)", link, (ROOT / path).read_text(encoding="utf-8"))


def _included(page: Path) -> list[str]:
    return re.findall(r"^% file: (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


def _inner_models(model: type[BaseModel]) -> Iterable[type[BaseModel]]:
    """The models among the types of a model's fields."""

    def models(annotation: Any) -> Iterable[type[BaseModel]]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        for part in typing.get_args(annotation):
            yield from models(part)

    return (each for info in model.model_fields.values() for each in models(info.annotation))


def _value_title(model: type[BaseModel]) -> str:
    if issubclass(model, Curve):
        return f"Curve `{typing.get_args(model.model_fields['name'].annotation)[0]}`"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", model.__name__).capitalize()


def _summary(model: type[BaseModel]) -> str:
    text = re.sub(r"^``\[\w+\]``: ", "", inspect.getdoc(model) or "")
    return _capital(text.replace("``", "`"))


def _tasks(record: Any) -> str:
    tasks = (record.task,) if isinstance(record, Head) else getattr(record, "tasks", ())
    return f" For {' and '.join(tasks)}." if tasks else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _escaped(text: str) -> str:
    """Plain text with the characters escaped that Markdown would take for markup."""
    return re.sub(r"([<>*`\[\]\\])", r"\\\1", text)


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


PARTS: Mapping[str, Callable[[], str]] = {
    "recipe tables": recipe_tables,
    "value tables": value_tables,
    "shipped recipes": shipped_recipes,
    "findings": findings,
    **{f"{table} records": partial(catalogue, table) for table in HEADINGS},
}

# Hooks of Sphinx ---------------------------------------------------------------------------------------------------


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _fill)
    app.connect("autodoc-process-docstring", _describe_fields)
    app.connect("missing-reference", _resolve_public_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(_app: Any, _page: str, source: list[str]) -> None:
    source[0] = re.sub(r"^% generated: (.+)$", lambda match: PARTS[match[1]](), source[0], flags=re.MULTILINE)
    source[0] = re.sub(r"^% file: (.+)$", lambda match: repository_file(match[1]), source[0], flags=re.MULTILINE)


def _describe_fields(_app: Any, what: str, _name: str, member: Any, _options: Any, lines: list[str]) -> None:
    """Add the keys of a class of options to its documentation, where pydantic keeps them."""
    if what != "class" or not issubclass(member, BaseModel):
        return
    for key, info in member.model_fields.items():
        lines += ["", f":param {key}: {info.description or 'selects the curve'}"]


def _resolve_public_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Link ``tlkit.contracts.head.Head`` and plain ``Head`` to ``tlkit.Head``."""
    name = node.get("reftarget", "").rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in tlkit.__all__:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", f"tlkit.{name}", node, content)
