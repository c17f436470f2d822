"""The options that several verbs take, each with one help text. They set the attributes of the ``Session``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tlkit.cli.session import Session

PATH = click.Path(path_type=Path)
"""A file or folder."""

FILE = click.Path(path_type=Path, dir_okay=False)
"""A file to write."""

recipe_argument = click.argument("recipe", type=PATH)
run_argument = click.argument("run", type=PATH)


def _set(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a callback that sets an attribute of the session if the option was given."""

    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(ctx.ensure_object(Session), attribute, value)

    return callback


def _add_plugin_files(ctx: click.Context, _parameter: click.Parameter, files: tuple[Path, ...]) -> None:
    ctx.ensure_object(Session).plugin_files.extend(files)


plugin_option = click.option(
    "--plugin",
    type=PATH,
    multiple=True,
    expose_value=False,
    is_eager=True,
    callback=_add_plugin_files,
    metavar="FILE",
    help="Load a Python file as a plugin. Repeatable.",
)
"""``--plugin FILE``: every verb of tlkit's own takes it."""

no_plugins_option = click.option(
    "--no-plugins",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set("no_plugins"),
    help="Load no plugins except tlkit's own.",
)
"""``--no-plugins``: every verb of tlkit's own takes it."""

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    expose_value=False,
    callback=_set("overrides"),
    metavar="KEY=VALUE",
    help="Override a key of the recipe, such as head.dropout=0.3. Repeatable.",
)
"""``--set KEY=VALUE``, for verbs that read a recipe."""

trust_option = click.option(
    "--trust",
    is_flag=True,
    expose_value=False,
    callback=_set("trust"),
    help="Also load a model with layers of a plugin's own. This runs the plugin's code on what the file says.",
)
"""``--trust``, for verbs that load a model."""

overwrite_option = click.option(
    "--overwrite",
    is_flag=True,
    expose_value=False,
    callback=_set("overwrite"),
    help="Replace files that exist.",
)
"""``--overwrite``, for verbs that write files."""

force_option = click.option(
    "--force",
    is_flag=True,
    expose_value=False,
    callback=_set("overwrite"),
    hidden=True,
    help="The same as --overwrite.",
)
"""``--force``: the earlier name of ``--overwrite`` in ``init`` and ``recipes cp``."""


def accept_plugins(command: click.Command) -> None:
    """Add ``--plugin`` and ``--no-plugins`` to a verb, and to the verbs below it."""
    names = {parameter.name for parameter in command.params}
    for name, option in (("plugin", plugin_option), ("no_plugins", no_plugins_option)):
        if name not in names:
            option(command)
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        accept_plugins(each)
