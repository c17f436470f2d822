"""``tlkit plugins``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from tlkit.cli import Session
from tlkit.contracts import Augmentation, Backbone, Dataset, Head, Options, Schedule
from tlkit.errors import PluginError
from tlkit.registry import KINDS
from tlkit.system.text import nearest

_KINDS: dict[str, type] = {
    "backbone": Backbone,
    "head": Head,
    "augmentation": Augmentation,
    "augment": Augmentation,
    "schedule": Schedule,
    "dataset": Dataset,
    "data": Dataset,
}
_OTHER_HOOKS = [
    "tlkit_commands",
    "tlkit_check_recipe",
    "tlkit_callbacks",
    "tlkit_phase_finished",
    "tlkit_report_sections",
]
_TABLES = {Backbone: "backbone", Head: "head", Augmentation: "augment", Schedule: "schedule", Dataset: "data"}


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Print the tracebacks of plugins that failed.")
@click.pass_context
def plugins(ctx: click.Context, as_json: bool, verbose: bool) -> None:
    """List every plugin with its distribution and version, what it offers, and what failed and why."""
    if ctx.invoked_subcommand is not None:
        return
    session = ctx.ensure_object(Session)
    data = _as_data(session)
    if as_json:
        click.echo(json.dumps(data, indent=2))
        return
    for plugin in data["plugins"]:
        owner = f"{plugin['distribution']} {plugin['version']}" if plugin["distribution"] else "a single file"
        click.echo(f"{click.style(plugin['plugin'], bold=True)}  ({owner})")
        for kind, names in plugin["offers"].items():
            click.echo(click.wrap_text(f"{kind}: {', '.join(names)}", 100, "  ", "      "))
    for failure in data["failed"]:
        owner = f" ({failure['distribution']} {failure['version']})" if failure["distribution"] else ""
        click.echo(click.style(f"failed: {failure['plugin']}{owner}: {failure['reason']}", fg="red"))
        if verbose and failure["details"]:
            click.echo(failure["details"])
    for conflict in data["conflicts"]:
        click.echo(click.style(f"conflict: {conflict}", fg="red"))


def _as_data(session: Session) -> dict[str, Any]:
    registry, _ = session.registry, session.commands  # asking for the commands finds those that fail
    by_hook: dict[str, list[str]] = {}
    for hook in _OTHER_HOOKS:
        for implementation in getattr(registry.manager.hook, hook).get_hookimpls():
            by_hook.setdefault(implementation.plugin_name, []).append(hook)
    listed = []
    for key, source in registry.sources.items():
        offers: dict[str, list[str]] = {}
        for kind, (title, _) in KINDS.items():
            names = [record.name for record, owner in registry.records(kind) if owner is source]
            if names:
                offers[title] = names
        if key in by_hook:
            offers["hook"] = by_hook[key]
        plugin = {"plugin": source.plugin, "distribution": source.distribution, "version": source.version}
        listed.append({**plugin, "offers": offers})
    failed = [
        {
            "plugin": failure.source.plugin,
            "distribution": failure.source.distribution,
            "version": failure.source.version,
            "reason": failure.reason,
            "details": failure.details,
        }
        for failure in registry.failures
    ]
    return {"plugins": listed, "failed": failed, "conflicts": registry.conflicts()}


@plugins.command()
@click.argument("kind")
@click.argument("name")
@click.pass_obj
def show(session: Session, kind: str, name: str) -> None:
    """Print the options of a plugin's record: type, default, bounds and meaning.

    KIND is backbone, head, augmentation, schedule or dataset; NAME as in a recipe.
    """
    wanted: Any = _KINDS.get(kind.lower()) or _KINDS.get(kind.lower().removesuffix("s"))
    if wanted is None:
        near = nearest(kind, _KINDS)
        hint = f'; did you mean "{near}"?' if near else "; there are backbone, head, augmentation, schedule, dataset"
        raise PluginError(f'no kind of plugin "{kind}"{hint}')
    record, source = session.registry.find_with_source(wanted, name)
    title = KINDS[wanted][0]
    click.echo(f"{title} {click.style(record.name, bold=True)}: {record.summary}")
    click.echo(f"from {source.plugin} ({source})")
    tasks = (record.task,) if isinstance(record, Head) else getattr(record, "tasks", ())
    if tasks:
        click.echo(f"for {' and '.join(tasks)}")
    click.echo("\nOptions:" if record.options.model_fields else "\nIt has no options.")
    schema = record.options.model_json_schema()
    for key, info in record.options.model_fields.items():
        default = f"default {toml_value(info.get_default(call_default_factory=True))}"
        if info.is_required():
            default = "required"
        click.echo(f"  {click.style(key, bold=True)}  ({default})")
        for alternative in type_names(schema["properties"][key], schema.get("$defs", {})):
            click.echo(f"      {alternative}")
        if info.description:
            click.echo(click.wrap_text(f"— {info.description}", 100, "      ", "        "))
    click.echo(f"\nIn a recipe:\n\n{_example(record.options, _TABLES[wanted], record.name)}")


def type_names(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[str]:
    """What a field takes, in words that fit TOML and with its bounds; an item for each alternative."""
    if "$ref" in schema:
        return [_table(definitions[schema["$ref"].rpartition("/")[2]])]
    if "anyOf" in schema or "oneOf" in schema:
        parts = [part for part in schema.get("anyOf", schema.get("oneOf", [])) if part.get("type") != "null"]
        return list(dict.fromkeys(name for part in parts for name in type_names(part, definitions)))
    if "const" in schema:
        return [json.dumps(schema["const"])]
    if "enum" in schema:
        return [" | ".join(json.dumps(value) for value in schema["enum"])]
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})]
        inner = [" | ".join(type_names(item, definitions)) for item in items]
        text = f"[{', '.join(inner)}]" if "prefixItems" in schema else f"array of {inner[0]}"
    elif kind == "object":
        values = schema.get("additionalProperties")
        inside = " | ".join(type_names(values, definitions)) if isinstance(values, dict) else "anything"
        text = f"table of key = {inside}"
    elif kind == "string":
        text = "path" if schema.get("format") == "path" else "string"
    else:
        text = "true | false" if kind == "boolean" else str(kind or "anything")
    return [", ".join([text, *_bounds(schema)])]


def _bounds(schema: Mapping[str, Any]) -> list[str]:
    words = {
        "minimum": ">= {:g}",
        "exclusiveMinimum": "> {:g}",
        "maximum": "<= {:g}",
        "exclusiveMaximum": "< {:g}",
        "minItems": "at least {:g}",
        "maxItems": "at most {:g}",
    }
    pairs = "prefixItems" in schema
    return [word.format(schema[key]) for key, word in words.items() if key in schema and not (pairs and "Items" in key)]


def _table(schema: Mapping[str, Any]) -> str:
    keys = []
    for key, field in schema.get("properties", {}).items():
        keys.append(f"{key} = {json.dumps(field['const'])}" if "const" in field else key)
    if schema.get("additionalProperties"):
        keys.append("…")
    return f"table {{ {', '.join(keys)} }}"


def toml_value(value: Any) -> str:
    """A default as TOML writes it; ``none`` where a recipe leaves the key away."""
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
        return f"{value:g}" if value != int(value) else f"{value:.1f}"
    return json.dumps(value, default=str, ensure_ascii=False)


def _placeholder(schema: Mapping[str, Any]) -> str:
    return {"string": '"…"', "object": '{ "…" = "…" }', "array": "[…]"}.get(schema.get("type", ""), "…")


def _example(options: type[Options], table: str, name: str) -> str:
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
