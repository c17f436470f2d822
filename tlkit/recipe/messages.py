"""Turn pydantic's errors into problems that say what was expected, what was received, and what may be meant."""

from __future__ import annotations

import json
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from tlkit.errors import Problem
from tlkit.recipe.source import syntax_error_line
from tlkit.system.text import did_you_mean, shorten

_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a string in quotes",
    "path_type": "a path in quotes",
    "list_type": "an array",
    "tuple_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_LENGTHS = {"too_short": ("at least", "min_length"), "too_long": ("at most", "max_length")}


MAX_PROBLEMS = 200
"""Number of problems of a table that are described; looking for the names that were meant takes time."""


@dataclass(frozen=True)
class Place:
    """The table that messages are about.

    Args:
        table: the dotted path of the table; empty for the keys above all tables.
        owner: what its keys are, such as ``option of head "unet" (tlkit 0.1.0)``.
        known: the keys of the table.
        elsewhere: key of another table → where it belongs, such as ``in [input]``.
    """

    table: str
    owner: str
    known: Sequence[str]
    elsewhere: Mapping[str, str]


def problems_of(
    error: ValidationError, values: Mapping[str, Any], model: type[BaseModel], place: Place
) -> list[Problem]:
    """Return a problem for each wrong key.

    Args:
        error: pydantic's error.
        values: the values of the table that were checked.
        model: the model that they were checked against.
        place: the table.
    """
    by_path: dict[tuple[str | int, ...], list[tuple[str, str]]] = {}
    details = error.errors(include_url=False)
    for detail in details[:MAX_PROBLEMS]:
        path = _real_path(detail["loc"], detail["type"], values)
        entry = (detail["type"], _message(detail, path, values, model, place))
        if entry not in by_path.setdefault(path, []):
            by_path[path].append(entry)
    problems = []
    for path, entries in by_path.items():
        nested = any(len(other) > len(path) and other[: len(path)] == path for other in by_path)
        if nested and all(kind in ("literal_error", *_TYPES) for kind, _ in entries):
            continue  # Another branch of the union got further.
        messages = [message for _, message in entries]
        likely = [message for message in messages if "did you mean" in message]
        dotted = ".".join(str(part) for part in ((place.table,) if place.table else ()) + path)
        problems.append(Problem(dotted, likely[0] if likely else _either(messages)))
    if len(details) > MAX_PROBLEMS:
        problems.append(Problem(place.table, f"{len(details) - MAX_PROBLEMS} more problems are not listed"))
    return problems


def _either(messages: Sequence[str]) -> str:
    """Join the messages of a union's branches; the received value is named once, at the end."""
    parts = [message.rpartition(", received ") for message in messages]
    return " or ".join([*(expected for expected, _, _ in parts[:-1] if expected), messages[-1]])


def show(value: Any) -> str:
    """Return a value of a recipe as a message shows it, cut to 80 characters."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return shorten(text)


def _real_path(loc: Sequence[str | int], kind: str, values: Any) -> tuple[str | int, ...]:
    """Return pydantic's location without the parts that are not in the recipe: tags of unions, names of validators."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        present = (isinstance(values, dict) and part in values) or (
            isinstance(values, list) and isinstance(part, int) and part < len(values)
        )
        if present:
            values = values[part]
            path.append(part)
        elif kind == "missing" and index == len(loc) - 1 and isinstance(values, dict):
            path.append(part)
    if kind == "union_tag_invalid" and isinstance(values, dict):
        path.append("name")
    return tuple(path)


def _message(
    detail: Any, path: tuple[str | int, ...], values: Mapping[str, Any], model: type[BaseModel], place: Place
) -> str:
    kind, received, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(path, values, model, place)
    if kind == "missing":
        return _missing(detail, path, place)
    if kind == "literal_error":
        names = re.findall(r"'([^']*)'", context["expected"])
        expected = context["expected"].replace("'", '"')
        return f"expected {expected}, received {show(received)}{_hint(received, names)}"
    if kind == "union_tag_invalid":
        names = re.findall(r"'([^']*)'", context["expected_tags"])
        tag = received.get("name") if isinstance(received, dict) else context["tag"]
        return f"expected one of {', '.join(names)}, received {show(tag)}{_hint(tag, names)}"
    if kind == "union_tag_not_found":
        return f"expected a table with a name, received {show(received)}{_meaning(path, model)}"
    if kind == "value_error":
        return f"{context['error']}, received {show(received)}"
    if kind == "string_pattern_mismatch" and not place.table:
        return f"expected letters, digits, dots, dashes and underscores only, received {show(received)}"
    return f"expected {_expected(detail)}, received {show(received)}" + (
        _meaning(path, model) if _TYPES.get(kind) in ("a table", "an array") else ""
    )


def _expected(detail: Any) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return f"{word} {context[key]:g}"
    if kind in _LENGTHS:
        word, key = _LENGTHS[kind]
        return f"{word} {context[key]} item{'s' if context[key] != 1 else ''}"
    if kind == "string_too_short":
        return f"at least {context['min_length']} character{'s' if context['min_length'] != 1 else ''}"
    text: str = re.sub(r"^\w+ should (be )?", "", detail["msg"])
    return text[:1].lower() + text[1:]


def _unknown(path: tuple[str | int, ...], values: Mapping[str, Any], model: type[BaseModel], place: Place) -> str:
    key = str(path[-1]) if path else ""
    if len(path) > 1:
        known = _nested_fields(model, path[:-1], values)
        inside = ".".join(str(part) for part in path[:-1])
        listed = f"; there are {', '.join(known)}" if known else ""
        return f"unknown key of {inside}{did_you_mean(key, known, otherwise=listed)}"
    otherwise = f"; there are {', '.join(place.known)}" if place.known else "; it has no options"
    if key in place.elsewhere:
        otherwise = f"; it belongs {place.elsewhere[key]}"
    return f"unknown {place.owner}{did_you_mean(key, place.known, otherwise)}"


def _missing(detail: Any, path: tuple[str | int, ...], place: Place) -> str:
    name = detail["loc"][-1]
    if isinstance(name, int):
        return f"expected more items, at least {name + 1}, received {show(detail['input'])}"
    if not path or path[-1] != name:
        chosen = detail["loc"][-2] if len(detail["loc"]) > 1 else ""
        return f'"{chosen}" needs "{name}" too; write it as a table: {{ name = "{chosen}", {name} = … }}'
    return f"missing; it is a required {place.owner}" if len(path) == 1 else f'missing; the table needs "{name}"'


def _hint(received: Any, names: Sequence[str]) -> str:
    return did_you_mean(received, names) if isinstance(received, str) else ""


def _meaning(path: Sequence[str | int], model: type[BaseModel]) -> str:
    info = model.model_fields.get(str(path[0])) if len(path) == 1 else None
    return f" ({info.description})" if info is not None and info.description else ""


def _nested_fields(model: type[BaseModel], path: Sequence[str | int], values: Any) -> list[str]:
    """Return the keys that the table at ``path`` may have."""
    models = [model]
    for part in path:
        values = values[part]
        if isinstance(part, str):
            inner = [each.model_fields[part].annotation for each in models if part in each.model_fields]
            models = [each for annotation in inner for each in _models(annotation)]
    tag = values.get("name") if isinstance(values, dict) else None
    chosen = [each for each in models if tag is not None and tag in _tags(each)] or models
    return list(dict.fromkeys(name for each in chosen for name in each.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    parts: tuple[Any, ...] = typing.get_args(annotation)
    return [each for part in parts for each in _models(part)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    annotation: Any = model.model_fields["name"].annotation if "name" in model.model_fields else None
    return typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()


def syntax_problem(error: tomllib.TOMLDecodeError, text: str, file: Path | None) -> Problem:
    """Return a syntax error with its line, the line's text, and what most likely corrects it."""
    number = syntax_error_line(error, text)
    lines = text.replace("\r\n", "\n").split("\n")
    line = shorten(lines[number - 1].strip()) if 0 < number <= len(lines) else ""
    reason = re.sub(r" \(at (line \d+, column \d+|end of document)\)$", "", str(error))
    hint = ""
    if "\\" in line and '"' in line:
        hint = r"; in double quotes, \ must be doubled; a path can be written with / or in single quotes"
    elif reason == "Invalid value" and re.search(r"=\s*[A-Za-z_./~]", line):
        hint = "; strings need quotes"
    elif reason == "Cannot overwrite a value":
        reason, hint = "the key is given twice", "; remove one of the two"
    elif reason.startswith("Cannot declare"):
        reason, hint = "the table is given twice", "; put all its keys into one"
    return Problem("", f"not TOML: {reason}{f': {line}' if line else ''}{hint}", file, number)
