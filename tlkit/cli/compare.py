"""``tlkit compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlkit.cli.options import PATH, overwrite_option
from tlkit.cli.session import Session

if TYPE_CHECKING:
    from tlkit.report.learning_curves import Axis

_PICTURE = Path("compare.png")
"""The picture that is drawn without ``--out``."""
_UNLIMITED = 10_000
"""Width in characters of a table that goes to a file or a pipe."""


@click.command()
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--out",
    type=PATH,
    metavar="FILE.png",
    help="The picture of the learning curves; also .svg or .pdf.  [default: compare.png, unless it exists]",
)
@click.option("--csv", "table", type=PATH, metavar="FILE", help="Write all histories to one CSV file.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Draw this column of metrics.csv beside the loss. Repeatable.  [default: mean_iou, else accuracy]",
)
@click.option(
    "--x",
    "axis",
    type=click.Choice(["epochs", "seconds"]),
    default="epochs",
    show_default=True,
    help="The x axis of the curves.",
)
@overwrite_option
@click.pass_obj
def compare(
    session: Session, runs: tuple[Path, ...], out: Path | None, table: Path | None, metrics: tuple[str, ...], axis: Axis
) -> None:
    """Compare run folders: their final metrics, what differs in their recipes, and their learning curves.

    The best value of each column is marked with a star. Each finished run is compared with the first one on the images
    that both were measured on: the difference with its 95 % interval, and for accuracy McNemar's test. A run that is
    not finished is compared by the epochs that it has. The folder of a cross-validation counts as one run, the mean of
    its folds; alone, it is followed by its folds.

    \b
    Example:
      tlkit compare runs/photos-1 runs/photos-2 --out compare.png
    """
    from rich.text import Text

    from tlkit.cli.comparison_tables import difference_columns, metric_columns, paired_columns, short_titles, tables
    from tlkit.cli.console import say, tables_console
    from tlkit.jobs import api
    from tlkit.report.comparison import check_targets
    from tlkit.system.disk import write_atomically, writing

    picture = out or _PICTURE
    kept = out is None and picture.is_file() and not session.overwrite
    check_targets(picture, table, overwrite=session.overwrite, kept=kept)
    comparison = api.compare(runs, metrics=metrics)
    console = tables_console(_UNLIMITED)
    titles = short_titles([run.title for run in comparison.runs], console.width // 3)
    for each in tables(metric_columns(comparison, titles), console.width):
        console.print(each)
    if paired := paired_columns(comparison):
        console.print(f"Differences from {comparison.paired[0].first} on the same images:")
        for each in tables(paired, console.width):
            console.print(each)
    for note in dict.fromkeys(note for each in comparison.paired for note in each.notes):
        console.print(Text(f"Note: {note}."))
    if comparison.differences:
        for each in tables(difference_columns(comparison, titles), console.width):
            console.print(each)
    elif len(comparison.runs) > 1:
        console.print("The recipes are the same.")
    kind: Any = picture.suffix.lower().removeprefix(".")
    files: list[tuple[str, Path, bytes | str]] = []
    if not kept:
        files.append(("Curves", picture, comparison.curves(axis, kind)))
    if table is not None:
        files.append(("Histories", table, comparison.histories()))
    for what, file, content in files:
        with writing(file):
            write_atomically(file, content)
        say(f"{what}: {file}")
    if kept:
        say(f"{picture}: exists and was not changed; --overwrite draws it again, --out draws another file")
