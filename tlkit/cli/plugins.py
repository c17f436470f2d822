"""``tlkit plugins``."""

from __future__ import annotations

import json
import types
import typing
from typing import Any

import click
from pydantic.fields import FieldInfo

from tlkit.cli import VERBS, Session, plugin_option
from tlkit.contracts import Augmentation, Backbone, Dataset, Head, Options, Schedule
from tlkit.errors import PluginError
from tlkit.registry import KINDS, Registry, nearest

_KINDS: dict[str, type] = {
    "backbone": Backbone,
    "head": Head,
    "augmentation": Augmentation,
    "augment": Augmentation,
    "schedule": Schedule,
    "dataset": Dataset,
    "data": Dataset,
}
_TABLES = {Backbone: "backbone", Head: "head", Augmentation: "augment", Schedule: "schedule", Dataset: "data"}


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Print the tracebacks of plugins that failed.")
@plugin_option
@click.pass_context
def plugins(ctx: click.Context, as_json: bool, verbose: bool) -> None:
    """List every plugin with its distribution and version, what it offers, and what failed and why."""
    if ctx.invoked_subcommand is not None:
        return
    registry = ctx.ensure_object(Session).registry
    if as_json:
        click.echo(json.dumps(_as_data(registry), indent=2))
        return
    data = _as_data(registry)
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


def _as_data(registry: Registry) -> dict[str, Any]:
    listed = []
    for source in registry.sources.values():
        offers = {}
        for kind, (title, _) in KINDS.items():
            names = [record.name for record, owner in registry.records(kind) if owner is source]  # type: ignore[type-var]
            if names:
                offers[title] = names
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
    conflicts = registry.conflicts()
    for commands in registry.manager.hook.tlkit_commands():
        names = [command.name for command in commands or () if command.name in VERBS]
        conflicts += [f'a plugin offers a command "{name}", which is a verb of tlkit\'s own' for name in names]
    return {"plugins": listed, "failed": failed, "conflicts": conflicts}


@plugins.command()
@click.argument("kind")
@click.argument("name")
@plugin_option
@click.pass_obj
def show(session: Session, kind: str, name: str) -> None:
    """Print the options of a plugin's record: type, default, bounds and meaning.

    KIND is backbone, head, augmentation, schedule or dataset; NAME as in a recipe.
    """
    if kind.removesuffix("s") not in _KINDS:
        near = nearest(kind, _KINDS)
        hint = f'; did you mean "{near}"?' if near else ""
        raise PluginError(f'no kind "{kind}"{hint} Expected backbone, head, augmentation, schedule or dataset')
    wanted = _KINDS[kind.removesuffix("s")]
    record, source = session.registry.find_with_source(wanted, name)  # type: ignore[type-var]
    title = KINDS[wanted][0]
    click.echo(f"{title} {click.style(record.name, bold=True)}: {record.summary}")
    click.echo(f"from {source.plugin} ({source})")
    tasks = (record.task,) if isinstance(record, Head) else getattr(record, "tasks", ())
    if tasks:
        click.echo(f"for {' and '.join(tasks)}")
    click.echo("\nOptions:" if record.options.model_fields else "\nIt has no options.")
    for key, info in record.options.model_fields.items():
        default = (
            "required" if info.is_required() else f"default {toml_value(info.get_default(call_default_factory=True))}"
        )
        click.echo(f"  {click.style(key, bold=True)}  {type_name(info)}, {default}")
        if info.description:
            click.echo(click.wrap_text(info.description, 100, "      ", "      "))
    click.echo(f"\nIn a recipe:\n\n{_example(record.options, _TABLES[wanted], record.name)}")


def type_name(info: FieldInfo) -> str:
    """A field's type and bounds in words that fit TOML."""
    bounds = []
    for constraint in info.metadata:
        for attribute, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<=")):
            bound = getattr(constraint, attribute, None)
            if bound is not None:
                bounds.append(f"{sign} {bound:g}")
    return " ".join([_annotation(info.annotation), *bounds])


def _annotation(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _annotation(arguments[0])
    if origin is typing.Literal:
        return " | ".join(json.dumps(argument) for argument in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_annotation(argument) for argument in arguments if argument is not type(None))
    if origin is tuple:
        inner = [_annotation(argument) for argument in arguments if argument is not Ellipsis]
        return f"array of {inner[0]}" if Ellipsis in arguments else f"[{', '.join(inner)}]"
    if origin is dict:
        return f"table of {_annotation(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Options):
        fields = ", ".join(annotation.model_fields)
        return f"table {{{fields}}}"
    names = {"str": "string", "int": "integer", "float": "number", "bool": "true | false", "Path": "path"}
    return names.get(getattr(annotation, "__name__", str(annotation)), str(annotation))


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


def _example(options: type[Options], table: str, name: str) -> str:
    lines = [f"[{table}]", f'name = "{name}"']
    for key, info in options.model_fields.items():
        if info.is_required():
            lines.append(f'{key} = "…"' if _annotation(info.annotation) in ("string", "path") else f"{key} = …")
        else:
            default = info.get_default(call_default_factory=True)
            if default is not None:
                lines.append(f"{key} = {toml_value(default)}")
    return "\n".join(lines)
