"""``tlkit plugins``."""

from __future__ import annotations

from typing import Any

import click

from tlkit.boundary.guard import options_code
from tlkit.cli.console import Bold, say, say_json, say_text
from tlkit.cli.option_texts import recipe_table, toml_value, type_names
from tlkit.cli.session import Session
from tlkit.contracts import Head, Options
from tlkit.errors import PluginError
from tlkit.recipe.schema import PLUGIN_TABLES
from tlkit.registry import KINDS
from tlkit.system.text import did_you_mean

_KINDS: dict[str, type] = {**{kind.title: record for record, kind in KINDS.items()}, **PLUGIN_TABLES}
"""What a user may call a kind of record: its title, or its table in a recipe."""
_OTHER_HOOKS = [
    "tlkit_commands",
    "tlkit_check_recipe",
    "tlkit_callbacks",
    "tlkit_phase_finished",
    "tlkit_run_finished",
    "tlkit_report_sections",
]
_TABLES = {record: table for table, record in PLUGIN_TABLES.items()}


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Print the tracebacks of plugins that failed to load.")
@click.pass_context
def plugins(ctx: click.Context, as_json: bool, verbose: bool) -> None:
    """List plugins with their versions, what each offers, and which failed to load and why.

    tlkit plugins show KIND NAME prints the options of one backbone, head, augmentation, schedule or data set.
    """
    if ctx.invoked_subcommand is not None:
        return
    session = ctx.ensure_object(Session)
    data = _as_data(session)
    if as_json:
        say_json(data)
        return
    for plugin in data["plugins"]:
        owner = f"{plugin['distribution']} {plugin['version']}" if plugin["distribution"] else "a single file"
        say(Bold(plugin["plugin"]), f"  ({owner})")
        for kind, names in plugin["offers"].items():
            say(click.wrap_text(f"{kind}: {', '.join(names)}", 100, "  ", "      "))
    for failure in data["failed"]:
        owner = f" ({failure['distribution']} {failure['version']})" if failure["distribution"] else ""
        say(f"failed: {failure['plugin']}{owner}: {failure['reason']}", color="red")
        if verbose and failure["details"]:
            say_text(failure["details"])
    for conflict in data["conflicts"]:
        say(f"conflict: {conflict}", color="red")


def _as_data(session: Session) -> dict[str, Any]:
    registry, _ = session.registry, session.commands  # building the commands adds those that fail to the failures
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
    """Print the options of a backbone, head, …: type, default, bounds and meaning.

    KIND is backbone, head, augmentation, schedule, dataset or exporter; NAME is the name in a recipe, or of a format.

    \b
    Example:
      tlkit plugins show head unet
    """
    wanted: Any = _KINDS.get(kind.lower()) or _KINDS.get(kind.lower().removesuffix("s"))
    if wanted is None:
        hint = did_you_mean(kind, _KINDS, f"; there are {', '.join(kind.title for kind in KINDS.values())}")
        raise PluginError(f'no kind of plugin "{kind}"{hint}')
    record, source = session.registry.find_with_source(wanted, name)
    title = KINDS[wanted][0]
    say(f"{title} ", Bold(record.name), f": {record.summary}")
    say(f"from {source.plugin} ({source})")
    tasks = (record.task,) if isinstance(record, Head) else getattr(record, "tasks", ())
    if tasks:
        say(f"for {' and '.join(tasks)}")
    with options_code(record):
        _show_options(record.options, wanted, record.name)


def _show_options(options: type[Options], kind: type, name: str) -> None:
    say()
    say("Options:" if options.model_fields else "No options.")
    schema = options.model_json_schema()
    for key, info in options.model_fields.items():
        default = f"default {toml_value(info.get_default(call_default_factory=True))}"
        if info.is_required():
            default = "required"
        say("  ", Bold(key), f"  ({default})")
        for alternative in type_names(schema["properties"][key], schema.get("$defs", {})):
            say(f"      {alternative}")
        if info.description:
            say(click.wrap_text(f"— {info.description}", 100, "      ", "        "))
    if kind in _TABLES:
        say_text(f"\nIn a recipe:\n\n{recipe_table(options, _TABLES[kind], name)}")
    else:
        say_text(f"\nOn the command line:\n\ntlkit export RUN --format {name}{_settings(options)}\n")


def _settings(options: type[Options]) -> str:
    """Return options as the command line takes them, at their defaults; required ones without a value."""
    values = {
        key: "" if info.is_required() else toml_value(info.get_default(call_default_factory=True))
        for key, info in options.model_fields.items()
    }
    return "".join(f" --set {key}={value}" for key, value in values.items())
