"""The command line: one group, one error boundary, a file for each verb that is imported when the verb is used."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlkit.errors import RecipeError, TlkitError
from tlkit.system.signals import Interrupted

if TYPE_CHECKING:
    from tlkit.registry import Registry

VERBS = {
    "init": "Look at a folder of images and write a recipe for it.",
    "validate": "Check recipes and report every problem with its line.",
    "check": "Check the files of a data set: what is bad, odd, twice or leaks.",
    "run": "Run a recipe: train, evaluate, write the run folder.",
    "resume": "Go on with a run that was stopped.",
    "evaluate": "Evaluate a trained model on its own or on other data.",
    "report": "Write a run's report anew.",
    "augment": "Draw training images as a recipe augments them.",
    "lr": "Find a learning rate for a recipe.",
    "inspect": "Look inside a network: table, drawing, kernels, feature maps.",
    "predict": "Use a trained model on images.",
    "compare": "Compare runs: metrics, recipes, learning curves.",
    "cache": "List, limit and clear what is kept for later runs.",
    "recipes": "List, show and copy the shipped recipes.",
    "plugins": "List the plugins: what loaded, from where, what failed.",
}


class Session:
    """What the verbs of one invocation share: the plugins, loaded when first needed."""

    def __init__(self) -> None:
        self.plugin_files: list[Path] = []
        self.only_ours = False

    @cached_property
    def registry(self) -> Registry:
        """The installed plugins and those of ``--plugin``."""
        from tlkit.discovery import make_registry

        if self.only_ours and self.plugin_files:
            raise click.UsageError("--no-plugins and --plugin contradict each other")
        return make_registry(self.plugin_files, {"TLKIT_PLUGINS": "tlkit"} if self.only_ours else os.environ)

    @cached_property
    def commands(self) -> dict[str, click.Command]:
        """The verbs that plugins add, by name. Those of tlkit's own distribution add none: theirs are in ``VERBS``."""
        from_others = any(point.dist is None or point.dist.name != "tlkit" for point in entry_points(group="tlkit"))
        if self.only_ours or not (from_others or self.plugin_files or "TLKIT_PLUGINS" in os.environ):
            return {}
        return plugin_commands(self.registry)


class _Group(click.Group):
    """Verbs by name; their modules are imported when they are used. Plugins may add verbs, not replace ours."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in VERBS:
            command: click.Command = getattr(importlib.import_module(f"tlkit.cli.{name}"), name)
            _accept_plugins(command)
            return command
        return ctx.ensure_object(Session).commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from tlkit.system.text import nearest

            names = [*VERBS, *ctx.ensure_object(Session).commands]
            near = nearest(args[0], names)
            hint = f'; did you mean "{near}"?' if near else f"; there are {', '.join(names)}"
            raise click.UsageError(f'no command "{args[0]}"{hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = list(VERBS.items())
        rows += [(name, each.get_short_help_str(80)) for name, each in ctx.ensure_object(Session).commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def plugin_commands(registry: Registry) -> dict[str, click.Command]:
    """The verbs that plugins add, by name; what is wrong with one is noted among the registry's failures."""
    from tlkit.registry import Failure

    found: dict[str, click.Command] = {}
    for command, source in registry.collect("tlkit_commands"):
        if not isinstance(command, click.Command) or not command.name:
            reason = f"tlkit_commands: expected click commands with a name, received {command!r}"
        elif command.name in VERBS:
            reason = f"tlkit_commands: \"{command.name}\" is a verb of tlkit's own and can't be replaced"
        elif command.name in found:
            reason = f'tlkit_commands: another plugin offers a command "{command.name}" too'
        else:
            found[command.name] = command
            continue
        registry.failures.append(Failure(source, reason))
    return found


def _add_files(ctx: click.Context, _parameter: click.Parameter, files: tuple[Path, ...]) -> None:
    ctx.ensure_object(Session).plugin_files.extend(files)


plugin_option = click.option(
    "--plugin",
    "plugin",
    type=click.Path(path_type=Path),
    multiple=True,
    expose_value=False,
    is_eager=True,
    callback=_add_files,
    metavar="FILE",
    help="Load a Python file as a plugin; may be given several times.",
)
"""``--plugin FILE``: the group and every verb of ours take it."""


def _only_ours(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Session).only_ours = True


no_plugins_option = click.option(
    "--no-plugins",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_only_ours,
    help="Load no plugins but tlkit's own.",
)
"""``--no-plugins``: the group and every verb of ours take it."""


def _accept_plugins(command: click.Command) -> None:
    if all(parameter.name != "plugin" for parameter in command.params):
        plugin_option(command)
    if all(parameter.name != "no_plugins" for parameter in command.params):
        no_plugins_option(command)
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _accept_plugins(each)


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the recipe, such as head.dropout=0.3; may be given several times.",
)
"""``--set KEY=VALUE`` of the verbs that read a recipe."""


trust_option = click.option(
    "--trust",
    is_flag=True,
    help="Load a model with layers of a plugin's own too; this runs the plugin's code on what the file says.",
)
"""``--trust`` of the verbs that load a model."""


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="tlkit", prog_name="tlkit")
@plugin_option
@no_plugins_option
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Transfer learning from a recipe: a folder of images in, a model that one can use out.

    \b
    tlkit init FOLDER          look at your images and write a recipe
    tlkit run RECIPE           train, evaluate, write a run folder
    tlkit predict RUN IMAGES   use the model
    """
    ctx.ensure_object(Session)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Only tlkit's own errors are caught; anything else is a bug and keeps its traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    try:
        code = cli.main(None if arguments is None else list(arguments), prog_name="tlkit", standalone_mode=False)
    except RecipeError as error:
        for problem in error.problems:
            click.echo(f"Error: {problem}", err=True)
        sys.exit(error.exit_code)
    except TlkitError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        # click raises Abort from the KeyboardInterrupt that it caught.
        stopped = error if isinstance(error, Interrupted) else error.__cause__ or error.__context__
        text = str(stopped) if isinstance(stopped, Interrupted) else "Stopped by Ctrl-C."
        click.echo(f"\n{text}", err=True)
        sys.exit(stopped.exit_code if isinstance(stopped, Interrupted) else 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    sys.exit(code if isinstance(code, int) else 0)
