"""The verbs that plugins add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from tlkit.cli.verbs import VERBS
from tlkit.registry import Registry, Source


def plugin_commands(registry: Registry) -> dict[str, click.Command]:
    """Return the verbs that plugins add, by name; one that can't be used is added to the registry's failures."""
    commands: dict[str, click.Command] = {}

    def problem(command: Any) -> str:
        if not isinstance(command, click.Command) or not command.name:
            return f"expected click commands with a name, received {command!r}"
        if command.name in VERBS:
            return f"\"{command.name}\" is a command of tlkit's own and can't be replaced"
        if command.name in commands:
            return f'another plugin also offers a command "{command.name}"'
        command.get_short_help_str()  # so that a help text that can't be made does not break tlkit --help
        commands[command.name] = command
        return ""

    for command, source in registry.collect("tlkit_commands", problem):
        command.invoke = _named(command.invoke, source)
    return commands


def _named(invoke: Callable[[click.Context], Any], source: Source) -> Callable[[click.Context], Any]:
    """Return the ``invoke`` of a plugin's verb; an exception of it keeps its traceback, and names the plugin.

    A verb is the plugin's own, so it may end the process with any exit code.
    """

    def invoke_named(context: click.Context) -> Any:
        try:
            return invoke(context)
        except Exception as error:
            error.add_note(f"The command comes from the plugin {source.title}.")
            raise

    return invoke_named
