"""``tlkit export``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlkit.cli.options import PATH, memory_option, overwrite_option, run_argument, set_exporter_option, trust_option
from tlkit.cli.session import Session

if TYPE_CHECKING:
    from tlkit.jobs.export import ExportResult
    from tlkit.runs.exports import Export


@click.command()
@run_argument
@click.option(
    "--format",
    "format_name",
    required=True,
    metavar="NAME|all",
    help="The format, such as onnx; tlkit plugins lists them. all: each one whose packages are installed.",
)
@click.option(
    "--quantize",
    type=click.Choice(["float16", "dynamic", "int8", "int16x8", "all"]),
    help="Make the file smaller: half precision, 8-bit weights, or 8-bit weights with values of 8 or 16 bits, "
    "calibrated on training images. all: float32 and each one that the format has.  [default: float32]",
)
@click.option(
    "--input",
    "input_type",
    type=click.Choice(["uint8", "float32"]),
    default="uint8",
    show_default=True,
    help="The type of the images that the file takes; values 0-255 in both.",
)
@click.option("--out", type=PATH, metavar="FILE", help="The file to write.  [default: RUN/exports/model…]")
@set_exporter_option
@memory_option
@overwrite_option
@trust_option
@click.pass_obj
def export(
    session: Session, run: Path, format_name: str, quantize: str | None, input_type: str, out: Path | None
) -> None:
    """Write the model of the run folder RUN in another format, to be used without tlkit.

    The file takes raw RGB images, 0-255, and gives probabilities and logits. It is run by its own runtime on the run's
    validation images, at most 200, and compared with the model; if it answers differently, it is removed.

    \b
    Examples:
      tlkit export runs/photos-1 --format onnx
      tlkit export runs/photos-1 --format litert --quantize int8 --out photos.tflite
      tlkit export runs/photos-1 --format all
    """
    from tlkit.cli.console import messages_console, progress_bars, say
    from tlkit.errors import RunError
    from tlkit.jobs import api

    options = _options(session.overrides)
    messages = messages_console()
    with progress_bars(messages, "reading the run") as progress:
        result = api.export(
            run,
            format=format_name,
            quantize=quantize,
            input=input_type,
            out=out,
            options=options,
            overwrite=session.overwrite,
            trust=session.trust,
            registry=session.registry,
            progress=progress,
        )
    for note in result.notes:
        messages.print(f"note: {note}", style="yellow")
    _print_table(result.exports)
    _print_files(result, run)
    refused = [each for each in result.exports if not each.passed]
    for each in refused:
        say(f"refused: {_title(each)}: {each.reason}", err=True)
    if refused:
        raise RunError(
            f"{len(refused)} of {len(result.exports)} files were refused, and nothing of them was left behind"
        )


def _options(overrides: Sequence[str]) -> dict[str, Any]:
    """Return ``--set`` as options of the exporter.

    Raises:
        RecipeError: an override can't be read.
    """
    from tlkit.errors import Problem, RecipeError
    from tlkit.recipe.override import override

    values: dict[str, Any] = {}
    problems: list[Problem] = []
    if overrides:
        override(values, "", overrides, problems)
    if problems:
        raise RecipeError(problems)
    return values


def _title(export: Export) -> str:
    return export.format + (f" {export.quantize}" if export.quantize else "")


def _print_table(exports: Sequence[Export]) -> None:
    from rich.table import Table
    from rich.text import Text

    from tlkit.cli.console import tables_console
    from tlkit.system.text import counted, size_text
    from tlkit.system.visible import visible_line

    first = exports[0]
    of = "pixels" if first.metric == "mean_iou" else "classes"
    title = f"compared with the Keras model on {counted(first.images, f'{first.split} image')}"
    table = Table(title=title, title_justify="left")
    for name in ("format", "size", "computes in", f"equal {of}", "largest difference", first.metric, "CPU ms an image"):
        table.add_column(name, overflow="fold", justify="left" if name in ("format", "computes in") else "right")
    table.add_column("", overflow="fold")
    keras = next((each for each in exports if each.metric_keras is not None), first)
    table.add_row("Keras model", "", "", "", "", _number(keras.metric_keras, ".4f"), _number(keras.ms_keras, ".1f"), "")
    for each in exports:
        cells = [
            _title(each),
            size_text(each.bytes) if each.bytes else "–",
            each.precision or "–",
            _number(each.agreement, ".2%"),
            _number(each.largest_difference, ".1e"),
            _number(each.metric_file, ".4f"),
            _number(each.ms_file, ".1f"),
            "kept" if each.passed else "refused",
        ]
        table.add_row(*[Text(visible_line(cell)) for cell in cells])
    tables_console(width=10_000).print(table)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _print_files(result: ExportResult, run: Path) -> None:
    from tlkit.cli.console import say

    for file in result.files:
        say(f"Written: {file}")
    if result.files:
        say(f"tlkit card {run} writes how to use {'it' if len(result.files) == 1 else 'them'} without tlkit.")
