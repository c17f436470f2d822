"""``tlkit compare``: runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from tlkit.report.compared_runs import ComparedRun

Column = tuple[str, list[str]]
"""A title and a cell for each row."""
UNLIMITED = 10_000
"""Columns of text where a table goes to a file or a pipe, which no terminal wraps."""


@click.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="compare.png",
    show_default=True,
    metavar="FILE.png",
    help="The picture of the learning curves; .svg and .pdf are written too.",
)
@click.option("--csv", "table", type=click.Path(path_type=Path), help="Write the joined histories to this CSV file.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="A column of metrics.csv to draw beside the loss; may be given several times.  "
    "[default: mean_iou, else accuracy]",
)
@click.option(
    "--x",
    "axis",
    type=click.Choice(["epochs", "seconds"]),
    default="epochs",
    show_default=True,
    help="What the curves are drawn over.",
)
@click.option("--overwrite", is_flag=True, help="Overwrite files that exist.")
def compare(
    runs: tuple[Path, ...],
    out: Path,
    table: Path | None,
    metrics: tuple[str, ...],
    axis: Literal["epochs", "seconds"],
    overwrite: bool,
) -> None:
    """Compare run folders: final metrics, what differs in their recipes, learning curves in one picture.

    A run that has not ended is compared by the epochs that it has.
    """
    from rich.console import Console

    from tlkit.errors import DataError
    from tlkit.report import comparison as work
    from tlkit.report.compared_runs import open_runs
    from tlkit.report.learning_curves import Curve, compared_curves
    from tlkit.system.disk import write_atomically

    work.check_targets(out, table, overwrite=overwrite)
    opened = open_runs(runs)
    names = work.chosen_metrics(opened, metrics)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = UNLIMITED
    titles = _short([run.title for run in opened], console.width // 3)
    for each in _tables(_metric_columns(opened, titles), console.width):
        console.print(each)
    differences = _difference_columns(opened, titles)
    if differences[0][1]:
        for each in _tables(differences, console.width):
            console.print(each)
    elif len(opened) > 1:
        console.print("The recipes are the same.")
    curves = [Curve(run.title, run.history, run.best_epoch) for run in opened if run.history.epochs]
    kind: Any = out.suffix.lower().removeprefix(".")
    files: list[tuple[str, Path, bytes | str]] = [("Curves", out, compared_curves(curves, names, axis, kind))]
    if table is not None:
        files.append(("Histories", table, work.joined_histories(opened)))
    for what, file, content in files:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, content)
        except OSError as error:
            raise DataError(f"{file}: can't be written: {error.strerror}") from error
        click.echo(f"{what}: {file}")


def _short(titles: Sequence[str], length: int) -> list[str]:
    """The titles cut in the middle to that many characters, unless two would then be the same."""
    from tlkit.report.figures import shorten

    cut = [shorten(title, max(length, 12), middle=True) for title in titles]
    return cut if len(set(cut)) == len(cut) else list(titles)


def _metric_columns(runs: Sequence[ComparedRun], titles: Sequence[str]) -> list[Column]:
    """A row a run; the best of a column is marked with a star."""
    from tlkit.report.comparison import shared_headlines

    seconds = [sum(run.history.seconds) if run.history.epochs else None for run in runs]
    columns = [
        ("run", list(titles)),
        ("backbone", [run.part("backbone") for run in runs]),
        ("head", [run.part("head") for run in runs]),
        ("weights", ["–" if run.weights is None else f"{run.weights:,}" for run in runs]),
        ("epochs", [str(len(run.history.epochs)) for run in runs]),
        ("kept", ["–" if run.best_epoch is None else str(run.best_epoch) for run in runs]),
        ("seconds", _marked(seconds, "min", _whole) if all(run.finished for run in runs) else _texts(seconds, _whole)),
        *_monitor_columns(runs),
    ]
    for split, name in shared_headlines(runs):
        values = [None if run.metrics is None else run.metrics[split][name] for run in runs]
        columns.append((f"{split} {name}", _marked(values, "min" if name == "loss" else "max")))
    return columns


def _monitor_columns(runs: Sequence[ComparedRun]) -> list[Column]:
    """The best value of the monitor: marked where all runs have the same one, else each with its name."""
    monitors = {run.monitor for run in runs if run.monitor is not None}
    if len(monitors) == 1:
        monitor = next(iter(monitors))
        return [(f"best {monitor.name}", _marked([run.best_value for run in runs], monitor.mode))]
    texts = [
        "–" if run.monitor is None or run.best_value is None else f"{run.monitor.name} {run.best_value:.4f}"
        for run in runs
    ]
    return [("best of the monitor", texts)]


def _marked(
    values: Sequence[float | None], mode: Literal["min", "max"], form: Callable[[float], str] = "{:.4f}".format
) -> list[str]:
    """The values as text, those that read like the best with a star if there are others to be better than."""
    known = [value for value in values if value is not None]
    best = form((min if mode == "min" else max)(known)) if known else ""
    texts = _texts(values, form)
    several = len(set(texts) - {"–"}) > 1
    return [f"{text} *" if several and text == best else text for text in texts]


def _texts(values: Sequence[float | None], form: Callable[[float], str]) -> list[str]:
    return ["–" if value is None else form(value) for value in values]


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value > 10 else f"{value:.1f}"


def _difference_columns(runs: Sequence[ComparedRun], titles: Sequence[str]) -> list[Column]:
    from tlkit.report.comparison import differences

    rows = differences(runs)
    columns = [("what differs in the recipes", list(rows))]
    for title, values in zip(titles, zip(*rows.values(), strict=True), strict=False):
        columns.append((title, ["–" if value is None else value for value in values]))
    return columns


def _tables(columns: Sequence[Column], width: int) -> Iterator[Any]:
    """The columns as tables that are no wider than ``width``, the first column in each."""
    from rich.cells import cell_len
    from rich.markup import escape
    from rich.table import Table

    first, *rest = columns
    needed = [max(cell_len(text) for text in (title, *cells)) + 3 for title, cells in columns]
    while rest:
        room = width - needed[0] - 1
        count = max(1, sum(end <= room for end in accumulate(needed[-len(rest) :])))
        table = Table()
        for title, cells in (first, *rest[:count]):
            number = all(cell[:1] in "–+-0123456789" for cell in cells)
            table.add_column(escape(title), justify="right" if number else "left", overflow="fold")
        for row in zip(first[1], *(cells for _, cells in rest[:count]), strict=True):
            table.add_row(*[f"[bold green]{escape(cell)}[/]" if cell.endswith(" *") else escape(cell) for cell in row])
        yield table
        rest = rest[count:]
