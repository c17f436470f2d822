"""``tlkit inspect``: look inside a network."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlkit.cli import Session, set_option

if TYPE_CHECKING:
    from tlkit.jobs.inspect import Inspection


@click.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="RUN|RECIPE")
@set_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write to.  [default: inspect in the run folder, or <recipe>-inspect]",
)
@click.option("--layers", is_flag=True, help="Print every layer instead of the blocks.")
@click.option("--layer", metavar="NAME", help="The layer whose weights are drawn.  [default: first, middle and last]")
@click.option("--image", type=click.Path(path_type=Path), help="The image whose feature maps are drawn.")
@click.option("--overwrite", is_flag=True, help="Overwrite files that exist.")
@click.pass_obj
def inspect(
    session: Session,
    target: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    layers: bool,
    layer: str | None,
    image: Path | None,
    overwrite: bool,
) -> None:
    """Show the network of a run folder, or the one that a recipe would begin with.

    Prints its blocks with sizes, strides, weights and the phases in which they train; writes a drawing, the first
    kernels, histograms of weights and feature maps, for a run trained and as it began, and a page with all of it.
    """
    from rich.console import Console

    from tlkit.recipe import catalog
    from tlkit.recipe.load import load_recipe
    from tlkit.runs.folder import RunFolder
    from tlkit.runs.plugins import load_run_recipe
    from tlkit.system.disk import check_new_file, write_atomically
    from tlkit.system.tensorflow import start_tensorflow

    run = RunFolder(target) if target.is_dir() else None
    if run is not None:
        run.read_card()
        if overrides:
            raise click.UsageError("--set is for recipes; a run folder is shown as it is")
    if run is None:
        recipe = load_recipe(catalog.resolve(target), session.registry, overrides)
    else:
        recipe = load_run_recipe(run, session.registry)
    folder = out or (Path(f"{recipe.name}-inspect") if run is None else run.path / "inspect")
    start_tensorflow()
    from tlkit.jobs.inspect import TITLES, inspect_recipe, inspect_run, page, pictures

    for name in (*TITLES, "index.html"):
        check_new_file(folder / name, overwrite=overwrite)
    with tempfile.TemporaryDirectory(prefix="tlkit-") as temporary:
        if run is None:
            found = inspect_recipe(recipe, Path(temporary), image)
        else:
            found = inspect_run(run, recipe, Path(temporary), image)
        drawn = pictures(found, layer)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(_layer_table(found) if layers else _block_table(found))
    for text in found.totals:
        console.print(text, markup=False)
    for note in found.notes:
        console.print(f"note: {note}", markup=False, style="yellow")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in drawn.items():
        write_atomically(folder / name, content)
    write_atomically(folder / "index.html", page(found, drawn))
    click.echo(f"Pictures: {', '.join(drawn)} and index.html in {folder}")


def _block_table(found: Inspection) -> Any:
    table = _table(found.title, "block", "output", "stride", "layers", "weights", "trains in")
    for group in found.groups:
        shape = "×".join(str(size) for size in group.shape)
        stride = "" if group.stride is None else str(group.stride)
        table.add_row(
            group.name, shape, stride, str(len(group.layers)), f"{group.weights:,}", ", ".join(group.phases) or "–"
        )
    return table


def _layer_table(found: Inspection) -> Any:
    table = _table(found.title, "layer", "kind", "output", "stride", "weights", "trains in")
    for row in found.layers:
        shape = "×".join(str(size) for size in row.shape)
        stride = "" if row.stride is None else str(row.stride)
        weights = f"{row.weights:,}" if row.weights else ""
        phases = ", ".join(row.phases) or ("–" if row.weights else "")
        table.add_row(row.name, row.kind, shape, stride, weights, phases)
    return table


def _table(title: str, *columns: str) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column in ("stride", "layers", "weights") else "left")
    return table
