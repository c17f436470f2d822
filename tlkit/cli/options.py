"""The arguments and options that several verbs take, each with one help text.

The options set attributes of the ``Session``, which every verb receives.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from tlkit.cli.session import Session
from tlkit.evaluation.engine_option import EngineOption
from tlkit.system.memory_limit import LEAST, SUPPORTED, default_limit, limited_memory

Decorator = Callable[[Any], Any]

PATH = click.Path(path_type=Path)
"""A file or folder."""


class FiniteRange(click.FloatRange):
    """A range of numbers that is without infinities and NaN, which click takes for numbers in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


BATCH_SIZE = click.IntRange(min=1, max=1_000_000)
"""Images per batch."""

FILE = click.Path(path_type=Path, dir_okay=False)
"""A file to write."""

recipe_argument = click.argument("recipe", type=PATH)
run_argument = click.argument("run", type=PATH)
files_argument = click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILES-OR-FOLDERS...")


def _set(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a callback that sets an attribute of the session if the option was given."""

    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(ctx.ensure_object(Session), attribute, value)

    return callback


def _flag(name: str, attribute: str, text: str, **settings: Any) -> Decorator:
    """Return a flag that sets an attribute of the session."""
    return click.option(name, is_flag=True, expose_value=False, callback=_set(attribute), help=text, **settings)


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

no_plugins_option = _flag("--no-plugins", "no_plugins", "Load no plugins except tlkit's own.", is_eager=True)
"""``--no-plugins``: every verb of tlkit's own takes it."""

allow_plugins_option = _flag(
    "--allow-plugins",
    "allow_plugins",
    "Load the plugin files that the recipe names, and remember their SHA-256. They are code.",
    is_eager=True,
)
"""``--allow-plugins``: every verb of tlkit's own takes it."""


def _set_values(text: str) -> Decorator:
    """Return ``--set``, which sets the overrides of the session."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        expose_value=False,
        callback=_set("overrides"),
        metavar="KEY=VALUE",
        help=text,
    )


set_option = _set_values("Override a key of the recipe, such as head.dropout=0.3. Repeatable.")
"""``--set KEY=VALUE``, for verbs that read a recipe."""

set_data_option = _set_values("Change how other data is read, such as data.label=species. Repeatable.")
"""``--set data.KEY=VALUE``, for verbs that read other data."""

set_exporter_option = _set_values(
    "Set an option of the format, as tlkit plugins show exporter NAME lists them. Repeatable."
)
"""``--set KEY=VALUE``, for verbs that export a model."""

profile_option = _flag(
    "--profile", "profile", "Write where the time went to profile.csv and report.html, and print it at the end."
)
"""``--profile``, for verbs that train a run."""

trust_option = _flag(
    "--trust",
    "trust",
    "Also load a model with layers from a plugin. This runs the plugin's code on data from the file.",
)
"""``--trust``, for verbs that load a model."""


def _limit_memory(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Limit the memory of the command from now on."""
    if ctx.resilient_parsing:
        return
    limit = default_limit() if value is None else None
    if value not in (None, "none"):
        size = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([MGT])B?", str(value).upper())
        if size is None:
            raise click.BadParameter(f"expected a size such as 4GB, or none; received {value!r:.40}", ctx, parameter)
        if not SUPPORTED:
            raise click.BadParameter("only Linux can limit the memory of a process; use a container", ctx, parameter)
        limit = round(float(size[1]) * {"M": 10**6, "G": 10**9, "T": 10**12}[size[2]])
        if limit < LEAST:
            raise click.BadParameter(f"{value}: expected at least 1GB: TensorFlow alone takes half", ctx, parameter)
    has_batches = any(each.name == "batch_size" for each in ctx.command.params)
    fewer = ", or fewer images at a time (--batch-size)" if has_batches else ""
    ctx.with_resource(limited_memory(limit, f"give it more with --memory, if the machine has more{fewer}"))


memory_option = click.option(
    "--memory",
    expose_value=False,
    callback=_limit_memory,
    metavar="SIZE",
    help="End with an error if more memory is needed, such as 4GB: someone else's model may need any amount. On Linux "
    "only.  [default: what the machine has; none where there is a GPU, whose own memory is not counted]",
)
"""``--memory SIZE``, for verbs that run a model that may be someone else's."""

model_option = click.option(
    "--model",
    type=PATH,
    metavar="FILE",
    expose_value=False,
    callback=_set("model"),
    help="Use this file that tlkit export wrote, by its own runtime. It may be someone else's: one that could do "
    "more than compute is refused.",
)
"""``--model FILE``, for verbs that use an exported file."""

engine_option = click.option(
    "--engine",
    type=click.Choice(get_args(EngineOption)),
    expose_value=False,
    callback=_set("engine"),
    help="What computes the images. auto: LiteRT; OpenVINO, if it is installed, for so many images that it saves time; "
    "TensorFlow, where the run has no file for LiteRT.  [default: auto]",
)
"""``--engine``, for verbs that run a model on many images."""


def _judged(name: str, metavar: str, text: str) -> Decorator:
    def callback(ctx: click.Context, parameter: click.Parameter, value: float | None) -> None:
        if value is not None:
            ctx.ensure_object(Session).judged[str(parameter.name)] = value

    share = FiniteRange(0, 1, min_open=True, max_open=True)
    return click.option(name, type=share, expose_value=False, callback=callback, metavar=metavar, help=text)


unknown_option = _judged(
    "--unknown",
    "SHARE",
    "Also say which images are unlike those that RUN was trained on: this share at most, such as 0.05, of images like "
    "its own. Needs what tlkit report RUN --full writes.",
)
"""``--unknown``, for verbs that predict images."""

sets_option = _judged(
    "--sets", "LEVEL", "Also give the labels that hold with this probability, such as 0.9. Needs the same."
)
"""``--sets``, for verbs that predict images."""

cluster_option = click.option(
    "--cluster",
    expose_value=False,
    callback=_set("cluster"),
    metavar="local|auto|ADDRESS",
    help="Spread the work over the workers of a Ray cluster: local, the processors of this machine; auto, the cluster "
    'that this machine belongs to; or its address, such as 10.0.0.1:6379. Needs pip install "tlkit[cluster]".',
)
"""``--cluster``, for verbs that can work on many machines; the rest stands in the recipe's table ``[cluster]``."""

patience_option = click.option(
    "--patience",
    type=FiniteRange(1, 1_000_000),
    expose_value=False,
    callback=_set("patience"),
    metavar="SECONDS",
    help="With --cluster: a worker counts as hung that has read or computed no further image for so long.  "
    "[default: 600]",
)
"""``--patience``, for verbs with ``--cluster`` and without a recipe, whose table ``[cluster]`` would have it."""

overwrite_option = _flag("--overwrite", "overwrite", "Replace files that exist.")
"""``--overwrite``, for verbs that write files."""

force_option = _flag("--force", "overwrite", "The same as --overwrite.", hidden=True)
"""``--force``: the earlier name of ``--overwrite`` in ``init`` and ``recipes cp``."""


def picture_option(default: str) -> Decorator:
    """Return ``--out FILE.png``, for verbs that write one picture.

    Args:
        default: the name of the file that is written without the option, for the help text.
    """
    return click.option("--out", type=FILE, metavar="FILE.png", help=f"The picture to write.  [default: {default}]")


def workers_option(text: str, of_gpus: str) -> Decorator:
    """Return the options ``--workers``, ``--restarts`` and ``--gpus`` of a verb that trains.

    Args:
        text: the help text of ``--workers``.
        of_gpus: that of ``--gpus``.
    """
    workers = click.option("--workers", type=click.IntRange(min=1), metavar="N", help=text)
    restarts = click.option(
        "--restarts",
        type=click.IntRange(min=0),
        metavar="N",
        help="With --workers: how often to go on from the last checkpoint after a worker was lost.  [default: the "
        "recipe's cluster.restarts, 2]",
    )
    gpus = click.option("--gpus", type=click.IntRange(min=1), metavar="N", help=of_gpus)
    return lambda function: workers(restarts(gpus(function)))


def refuse_restarts_alone(restarts: int | None, workers: int | None) -> None:
    """Refuse ``--restarts`` where no other worker trains that could be lost.

    Raises:
        click.UsageError: it is given, and fewer than two workers train.
    """
    if restarts is not None and (workers or 1) == 1:
        raise click.UsageError("--restarts is for the workers of a training; give --workers N with N of 2 or more")


def refuse_gpus_of_workers(gpus: int | None, workers: int | None) -> None:
    """Refuse ``--gpus`` beside ``--workers``.

    Raises:
        click.UsageError: both are given.
    """
    if gpus is not None and workers is not None:
        raise click.UsageError(
            "--gpus and --workers contradict each other: with --workers N, each of N processes takes a GPU of its own"
        )


def accept_plugins(command: click.Command) -> None:
    """Add ``--plugin``, ``--no-plugins`` and ``--allow-plugins`` to a verb, and to the verbs below it."""
    names = {parameter.name for parameter in command.params}
    options = {"plugin": plugin_option, "no_plugins": no_plugins_option, "allow_plugins": allow_plugins_option}
    for name, option in options.items():
        if name not in names:
            option(command)
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        accept_plugins(each)
