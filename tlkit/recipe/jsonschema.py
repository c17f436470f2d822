"""Make a JSON Schema of recipes for editors, with the options of the installed plugins."""

from __future__ import annotations

from typing import Any

from tlkit.boundary.guard import options_code
from tlkit.contracts import Augmentation, Options
from tlkit.recipe.schema import CORE_TABLES, OPTIONAL_TABLES, PLUGIN_TABLES, TABLES, TopKeys
from tlkit.registry import KINDS, Registry


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """Return a JSON Schema (2020-12) of recipes, for editors that check TOML, such as those with Taplo."""
    definitions: dict[str, Any] = {}
    top = _hoisted(TopKeys, "recipe", definitions)
    properties = top.pop("properties")
    for table in TABLES:
        if table in CORE_TABLES:
            properties[table] = _hoisted(CORE_TABLES[table], table, definitions)
        else:
            properties[table] = _plugin_table(table, registry, definitions)
    required = [*top["required"], *(table for table in TABLES if table not in OPTIONAL_TABLES)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tlkit recipe",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _plugin_table(table: str, registry: Registry, definitions: dict[str, Any]) -> dict[str, Any]:
    kind = PLUGIN_TABLES[table]
    branches = []
    summaries = []
    for record, _ in registry.records(kind):
        with options_code(record):
            schema = _hoisted(record.options, f"{table}.{record.name}", definitions)
        schema["properties"] = {
            "name": {"const": record.name, "description": record.summary},
            **schema.get("properties", {}),
        }
        schema["required"] = ["name", *schema.get("required", [])]
        definitions[f"{table}.{record.name}"] = schema
        selects = {"properties": {"name": {"const": record.name}}, "required": ["name"]}
        branches.append({"if": selects, "then": {"$ref": f"#/$defs/{table}.{record.name}"}})
        summaries.append(f"{record.name}: {record.summary}")
    name: dict[str, Any] = {"enum": registry.names(kind), "description": "\n".join(summaries)}
    if kind is Augmentation:
        name["default"] = "none"
    one = {
        "type": "object",
        "description": f"the {KINDS[kind][0]}, by name; the other keys are its options",
        "properties": {"name": name},
        "required": ["name"],
        "allOf": branches,
    }
    if kind is not Augmentation:
        return one
    several = {"type": "array", "items": one, "minItems": 1, "description": "policies, applied in their order"}
    return {"anyOf": [one, several]}


def _hoisted(model: type[Options], prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema, with its own definitions moved to those of the document under unique names."""
    schema = model.model_json_schema(ref_template="#/$defs/" + prefix + ".{model}")
    for name, definition in schema.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = definition
    return schema
