"""``tlkit inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlkit.cli.options import PATH, memory_option, overwrite_option, set_option
from tlkit.cli.session import Session

if TYPE_CHECKING:
    from tlkit.jobs.inspect import Inspection


@click.command()
@click.argument("target", type=PATH, metavar="RUN|RECIPE")
@set_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="The folder to write to.  [default: inspect in the run folder, or <recipe>-inspect]",
)
@click.option("--layers", is_flag=True, help="Print every layer instead of the blocks.")
@click.option("--layer", metavar="NAME", help="Draw the weights of this layer.  [default: first, middle and last]")
@click.option(
    "--image",
    type=PATH,
    metavar="FILE",
    help="Draw the feature maps of this image.  [default: an image of the data set]",
)
@memory_option
@overwrite_option
@click.pass_obj
def inspect(
    session: Session, target: Path, out: Path | None, layers: bool, layer: str | None, image: Path | None
) -> None:
    """Show the network of a run folder, or the one that a recipe would start with.

    Prints the blocks with their sizes, strides and weights, and the phases in which they train. Writes a drawing of the
    network, its first kernels, histograms of weights and feature maps, and a page with all of them. A run is shown
    trained and before training.
    """
    from tlkit.cli.console import say, saying, tables_console
    from tlkit.errors import DataError
    from tlkit.jobs.from_recipe import refuse_missing_files
    from tlkit.jobs.inspect_files import PAGE, TITLES
    from tlkit.recipe.load import refuse_missing
    from tlkit.runs.folder import RunFolder
    from tlkit.runs.plugins import load_run_recipe
    from tlkit.system.disk import write_atomically, writing
    from tlkit.system.tensorflow import start_tensorflow

    run = RunFolder(target) if target.is_dir() else None
    if run is None:
        refuse_missing(target, "a run folder")
        recipe = session.load_recipe(target)
    else:
        run.read_card()
        if session.overrides:
            raise click.UsageError("--set is for recipes; a run folder is shown as it is")
        recipe = load_run_recipe(run, session.registry)
    folder = out or (Path(f"{recipe.name}-inspect") if run is None else run.path / "inspect")
    session.check_new_files(*(folder / name for name in (*TITLES, PAGE)))
    if image is not None and not image.is_file():
        raise DataError(f"{image}: no such file; expected an image")
    if run is None:
        refuse_missing_files(recipe)
    with saying("starting TensorFlow"):
        start_tensorflow()
    from tlkit.jobs import inspect as job
    from tlkit.jobs.inspect_pictures import page, pictures

    with saying("looking into the network"):
        inspection = job.inspect(recipe, run, image)
    with saying("drawing pictures"):
        drawn = pictures(inspection, layer)
    console = tables_console(width=200)
    console.print(_layer_table(inspection) if layers else _block_table(inspection))
    for text in inspection.totals:
        console.print(text)
    for note in inspection.notes:
        console.print(f"note: {note}", style="yellow")
    files: dict[str, bytes | str] = {**drawn, PAGE: page(inspection, drawn)}
    for name, content in files.items():
        with writing(folder / name):
            write_atomically(folder / name, content)
    say(f"Pictures: {', '.join(drawn)} and index.html in {folder}")


def _block_table(inspection: Inspection) -> Any:
    table = _table(inspection.title, "block", "output", "stride", "layers", "weights", "trains in")
    for group in inspection.groups:
        phases = ", ".join(group.phases) or "–"
        shape, stride = _shape(group.shape), _stride(group.stride)
        table.add_row(group.name, shape, stride, str(len(group.layers)), f"{group.weights:,}", phases)
    return table


def _layer_table(inspection: Inspection) -> Any:
    table = _table(inspection.title, "layer", "kind", "output", "stride", "weights", "trains in")
    for row in inspection.layers:
        weights = f"{row.weights:,}" if row.weights else ""
        phases = ", ".join(row.phases) or ("–" if row.weights else "")
        table.add_row(row.name, row.kind, _shape(row.shape), _stride(row.stride), weights, phases)
    return table


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(str(size) for size in shape)


def _stride(stride: int | None) -> str:
    return "" if stride is None else str(stride)


def _table(title: str, *columns: str) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column in ("stride", "layers", "weights") else "left")
    return table
