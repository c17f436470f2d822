"""The verbs that plugins add."""

from __future__ import annotations

import click

from tlkit.cli.verbs import VERBS
from tlkit.registry import Failure, Registry


def plugin_commands(registry: Registry) -> dict[str, click.Command]:
    """Return the verbs that plugins add, by name; one that can't be used is added to the registry's failures."""
    commands: dict[str, click.Command] = {}
    for command, source in registry.collect("tlkit_commands"):
        if not isinstance(command, click.Command) or not command.name:
            reason = f"tlkit_commands: expected click commands with a name, received {command!r}"
        elif command.name in VERBS:
            reason = f"tlkit_commands: \"{command.name}\" is a command of tlkit's own and can't be replaced"
        elif command.name in commands:
            reason = f'tlkit_commands: another plugin also offers a command "{command.name}"'
        else:
            commands[command.name] = command
            continue
        registry.failures.append(Failure(source, reason))
    return commands
