"""A plugin's options as text: what each takes, and a table to paste into a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tlkit.contracts import Options


def type_names(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[str]:
    """Return what a field takes, in the words of TOML and with its bounds; one item per alternative."""
    if "$ref" in schema:
        return [_inline_table(definitions[schema["$ref"].rpartition("/")[2]])]
    if "anyOf" in schema or "oneOf" in schema:
        parts = [part for part in schema.get("anyOf", schema.get("oneOf", [])) if part.get("type") != "null"]
        return list(dict.fromkeys(name for part in parts for name in type_names(part, definitions)))
    if "const" in schema:
        return [json.dumps(schema["const"])]
    if "enum" in schema:
        return [" | ".join(json.dumps(value) for value in schema["enum"])]
    kind = schema.get("type")
    if kind == "array":
        text = _array(schema, definitions)
    elif kind == "object":
        values = schema.get("additionalProperties")
        inside = " | ".join(type_names(values, definitions)) if isinstance(values, dict) else "anything"
        text = f"table of key = {inside}"
    elif kind == "string":
        text = "path" if schema.get("format") == "path" else "string"
    else:
        text = "true | false" if kind == "boolean" else str(kind or "anything")
    return [", ".join([text, *_bounds(schema)])]


def _array(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return what an array takes: ``[integer, integer]``, ``array of string``, ``array of 1 to 5: integer, >= 1``."""
    items = schema.get("prefixItems") or [schema.get("items", {})]
    inner = [" | ".join(type_names(item, definitions)) for item in items]
    grouped = [f"({each})" if ", " in each else each for each in inner]
    least, most = schema.get("minItems"), schema.get("maxItems")
    if "prefixItems" in schema:
        if len(set(inner)) > 1 or grouped == inner:
            return f"[{', '.join(grouped)}]"
        least = most = len(inner)
    if least == most:
        count = "" if least is None else f"{least}: "
    elif most is None:
        count = f"at least {least}: "
    else:
        count = f"{least} to {most}: " if least else f"at most {most}: "
    return f"array of {count}{inner[0]}"


def _bounds(schema: Mapping[str, Any]) -> list[str]:
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return [f"{word} {_number(schema[key])}" for key, word in words.items() if key in schema]


def _number(value: float) -> str:
    """Return a bound with all its digits: 2147483647, not 2.14748e+09."""
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else f"{value:g}"


def _inline_table(schema: Mapping[str, Any]) -> str:
    keys = []
    for key, field in schema.get("properties", {}).items():
        keys.append(f"{key} = {json.dumps(field['const'])}" if "const" in field else key)
    if schema.get("additionalProperties"):
        keys.append("…")
    return f"table {{ {', '.join(keys)} }}"


def toml_value(value: Any) -> str:
    """Return a default as TOML; ``none`` for a key that a recipe leaves out."""
    if value is None:
        return "none"
    if isinstance(value, Options):
        inner = ", ".join(f"{key} = {toml_value(each)}" for key, each in value if each is not None)
        return f"{{ {inner} }}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml_value(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml_value(each)}' for key, each in value.items())} }}" if value else "{}"
    if isinstance(value, float):
        return f"{value:.1f}" if value.is_integer() else f"{value:g}"
    return json.dumps(value, default=str, ensure_ascii=False)


def _placeholder(schema: Mapping[str, Any]) -> str:
    return {"string": '"…"', "object": '{ "…" = "…" }', "array": "[…]"}.get(schema.get("type", ""), "…")


def recipe_table(options: type[Options], table: str, name: str) -> str:
    """Return the table of a recipe that selects a plugin's record, with all options at their defaults."""
    schema = options.model_json_schema()
    lines = [f"[{table}]", f'name = "{name}"']
    for key, info in options.model_fields.items():
        if info.is_required():
            lines.append(f"{key} = {_placeholder(schema['properties'][key])}")
        else:
            default = info.get_default(call_default_factory=True)
            if default is not None:
                lines.append(f"{key} = {toml_value(default)}")
    return "\n".join(lines)
