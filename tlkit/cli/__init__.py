"""The command line: one group of verbs, and one place that turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

import click

from tlkit.cli.console import say, say_text
from tlkit.cli.options import accept_plugins, allow_plugins_option, no_plugins_option, plugin_option
from tlkit.cli.session import Session
from tlkit.cli.verbs import SECTIONS, VERBS
from tlkit.errors import PluginError, RecipeError, TlkitError
from tlkit.system.memory import explained_memory
from tlkit.system.output import Output, check_working_folder
from tlkit.system.signals import Interrupted
from tlkit.system.text import shorten
from tlkit.system.visible import visible


class _Group(click.Group):
    """Verbs by name, each imported when it is used. Plugins may add verbs, but not replace tlkit's own."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in VERBS:
            command: click.Command = getattr(importlib.import_module(f"tlkit.cli.{name}"), name)
            accept_plugins(command)
            command.invoke = _never_ended(command)  # type: ignore[method-assign, assignment]
            return command
        return ctx.ensure_object(Session).commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from tlkit.system.text import did_you_mean

            names = [*VERBS, *ctx.ensure_object(Session).commands]
            hint = did_you_mean(args[0], names, f"; there are {', '.join(names)}")
            raise click.UsageError(f'no command "{args[0]}"{hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, VERBS))
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in verbs.items()])
        added = ctx.ensure_object(Session).commands
        if added:
            with formatter.section("Added by plugins"):
                formatter.write_dl(
                    [(name.ljust(width), visible(each.get_short_help_str(80))) for name, each in added.items()]
                )


def _never_ended(command: click.Command) -> Callable[[click.Context], Any]:
    """Return the ``invoke`` of a verb of tlkit's own, which no code of a plugin or a model ends as a success."""
    # Of the class: a command that is imported once may be invoked several times.
    invoke = type(command).invoke
    may_raise = (Exception, KeyboardInterrupt, click.ClickException, click.exceptions.Exit, click.Abort)

    def invoke_to_its_end(context: click.Context) -> Any:
        from tlkit.boundary.code import PluginCode

        with PluginCode("code of a plugin or a model", f"tlkit {command.name}", may_raise, watch=False):
            return invoke(command, context)

    return invoke_to_its_end


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(package_name="tlkit", prog_name="tlkit")
@plugin_option
@no_plugins_option
@allow_plugins_option
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Train image classifiers and segmentation models by transfer learning.

    A recipe, one TOML file, says what to train: the data, a pretrained backbone, a head, augmentation and a training
    schedule. A run trains it and writes one folder with the model, its metrics and a report.

    \b
    From a folder of images to a model in three commands:
      tlkit init photos                                  writes photos.toml
      tlkit run photos.toml                              writes runs/photos-1
      tlkit predict runs/photos-1 new_photos --out p.csv
    To see a run at work without images of your own:
      tlkit run quickstart

    "tlkit COMMAND --help" explains a command.
    """
    ctx.ensure_object(Session)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Only tlkit's own errors become messages. Anything else is a bug, and keeps its traceback.
    """
    output = Output()
    sys.exit(output.exit_code(_run(arguments)))


def _run(arguments: Sequence[str] | None) -> int:
    """Run the command line, say what went wrong, and return the exit code."""
    try:
        check_working_folder()
        with explained_memory("use a machine with more memory"):
            code = cli.main(None if arguments is None else list(arguments), prog_name="tlkit", standalone_mode=False)
    except RecipeError as error:
        for problem in error.problems:
            say(f"Error: {problem}", err=True)
        return error.exit_code
    except TlkitError as error:
        if isinstance(error, PluginError) and error.details:
            say_text(error.details, err=True)  # for the author of the plugin
        say(f"Error: {error}", err=True)
        return error.exit_code
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            raise
        say(f"Error: {shorten(str(error.filename))}: no such file or folder: {error.strerror}", err=True)
        return 2
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        usage = shown.getvalue().partition("Error: ")[0]
        if usage:
            say_text(usage, err=True)
        say(f"Error: {error.format_message()}", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        # click raises Abort from the KeyboardInterrupt that it caught.
        stopped = error if isinstance(error, Interrupted) else error.__cause__ or error.__context__
        text = str(stopped) if isinstance(stopped, Interrupted) else "Stopped by Ctrl-C."
        say(err=True)
        say(text, err=True)
        return stopped.exit_code if isinstance(stopped, Interrupted) else 130
    return code if isinstance(code, int) else 0
