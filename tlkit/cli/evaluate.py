"""``tlkit evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlkit.cli.options import (
    BATCH_SIZE,
    FILE,
    PATH,
    cluster_option,
    engine_option,
    memory_option,
    model_option,
    overwrite_option,
    patience_option,
    run_argument,
    set_data_option,
    trust_option,
)
from tlkit.cli.session import Session
from tlkit.system.text import counted

if TYPE_CHECKING:
    from tlkit.contracts import Split


@click.command()
@run_argument
@click.option(
    "--data",
    type=PATH,
    metavar="PATH",
    help="Use this labelled data instead, in the form of the run's own. Classes are matched by name. Nothing of the "
    "run's own splits, groups and folders applies.",
)
@set_data_option
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    help="Use this split.  [default: test, else validation; all images of other data]",
)
@click.option("--out", type=FILE, metavar="FILE", help="Write the metrics to a JSON file.")
@click.option("--batch-size", type=BATCH_SIZE, metavar="N", help="Images per batch.  [default: as in the run]")
@model_option
@engine_option
@cluster_option
@patience_option
@memory_option
@overwrite_option
@trust_option
@click.pass_obj
def evaluate(
    session: Session, run: Path, data: Path | None, split: Split | None, out: Path | None, batch_size: int | None
) -> None:
    """Measure the model of the run folder RUN on a split of its own data, or on other data.

    --set changes how other data is read, such as --set data.label=species for a table with another column.

    \b
    Examples:
      tlkit evaluate runs/photos-1
      tlkit evaluate runs/photos-1 --data other_photos --out metrics.json
      tlkit evaluate runs/photos-1 --data new.csv --set data.label=species
      tlkit evaluate runs/photos-1 --model runs/photos-1/exports/model.onnx
    """
    from tlkit.cli.console import messages_console, progress_bars, say, tables_console
    from tlkit.files import EXCLUDED
    from tlkit.jobs import api
    from tlkit.runs.folder import RunFolder

    RunFolder(run).read_card()
    session.check_new_files(out)
    table = _data_table(session.overrides, data)
    messages = messages_console()
    with progress_bars(messages) as progress:
        result = api.evaluate(
            run,
            model=session.model,
            data=table,
            split=split,
            batch_size=batch_size,
            trust=session.trust,
            registry=session.registry,
            engine=session.engine,
            progress=progress,
            cluster=session.places(),
            say=messages.print,
        )
    for each in result.set_aside:
        if each.reason.startswith(EXCLUDED):
            continue
        messages.print(f"set aside: {each.key}: {each.reason}", style="yellow")
    for note in result.notes:
        messages.print(f"note: {note}", style="yellow")
    title = f"{result.split}: {counted(result.count, 'image')}, computed by {result.engine}"
    _print_tables(tables_console(), title, result.metrics)
    if out is not None:
        from tlkit.report.write_results import write_metrics
        from tlkit.system.disk import writing

        with writing(out):
            write_metrics(out, {result.split: result.metrics})
        say(f"Metrics: {out}")


def _data_table(overrides: Sequence[str], data: Path | None) -> Mapping[str, Any] | None:
    """Return ``--data`` and ``--set`` as a table ``[data]``; None if neither was given.

    Raises:
        RecipeError: an override is no key of ``[data]``.
    """
    from tlkit.errors import Problem, RecipeError
    from tlkit.recipe.override import override

    values: dict[str, Any] = {"data": {}}
    problems: list[Problem] = []
    override(values, "[data]", overrides, problems)
    others = [key for key in values if key != "data"]
    problems += [Problem("--set", f"{key}: expected a key of the data, such as data.label=species") for key in others]
    if problems or not isinstance(values["data"], dict):
        raise RecipeError(problems or "--set data=…: expected a table, or single keys such as data.label=species")
    where = {} if data is None else {"path": data}
    return {**where, **values["data"]} or None


def _print_tables(console: Any, title: str, metrics: Mapping[str, Any]) -> None:
    from rich.table import Table

    table = Table("metric", "value", "95 % interval", "commonest class", title=title, title_justify="left")
    intervals, commonest = metrics["intervals"], metrics["commonest"]
    for name, value in metrics.items():
        if isinstance(value, float | int):
            shown = f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
            low_high = " to ".join(f"{bound:.4f}" for bound in intervals.get(name, ()))
            table.add_row(name, shown, low_high, f"{commonest[name]:.4f}" if name in commonest else "")
    console.print(table)
    if "per_class" in metrics:
        columns = ["precision", "recall", "f1", "support"]
        rows = {name: [row[column] for column in columns] for name, row in metrics["per_class"].items()}
    else:
        columns = ["iou", "dice"]
        rows = {name: [value, metrics["dice"][name]] for name, value in metrics["iou"].items()}
    classes = Table("class")
    for column in columns:
        classes.add_column(column, justify="right")
    for name, values in rows.items():
        classes.add_row(name, *[_cell(value) for value in values])
    console.print(classes)


def _cell(value: float | int | None) -> str:
    return "–" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
