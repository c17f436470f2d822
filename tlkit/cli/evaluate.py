"""``tlkit evaluate``: measure a trained model on held-out or new data."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tlkit.cli import no_plugins_option, plugin_option, trust_option

if TYPE_CHECKING:
    import numpy as np

    from tlkit.data.run_data import Data
    from tlkit.recipe.schema import Recipe
    from tlkit.registry import Registry
    from tlkit.runs.folder import RunFolder


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data",
    "new_data",
    type=click.Path(path_type=Path),
    help="Other labelled data in the form of the run's own, all of which is used. Classes are matched by name.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    help="Which part of the run's own data.  [default: test, else validation]",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the metrics to this JSON file.")
@click.option("--batch-size", type=click.IntRange(min=1), default=None, help="Images at a time.  [default: the run's]")
@click.option("--overwrite", is_flag=True, help="Overwrite the file if it exists.")
@plugin_option
@no_plugins_option
@trust_option
@click.pass_context
def evaluate(
    context: click.Context,
    run: Path,
    new_data: Path | None,
    split: str | None,
    out: Path | None,
    batch_size: int | None,
    overwrite: bool,
    trust: bool,
) -> None:
    """Measure the model of the run folder RUN: on the split of its own data, or on other data."""
    from rich.console import Console
    from rich.progress import Progress

    from tlkit.runs.folder import RunFolder
    from tlkit.system.disk import check_new_file
    from tlkit.system.tensorflow import start_tensorflow

    RunFolder(run).read_card()
    if out is not None:
        check_new_file(out, overwrite=overwrite)
    start_tensorflow()
    from tlkit.evaluation.evaluator import evaluate as measure
    from tlkit.evaluation.predictor import Predictor
    from tlkit.report.report import write_metrics

    if new_data is not None and split is not None:
        raise click.UsageError("--split is of the run's own data; it doesn't go with --data")
    folder = RunFolder(run)
    if trust:
        _ = context.obj.registry  # a plugin's layers are there once it is imported
    predictor = Predictor.open(run, trust=trust)
    recipe = recipe_with_data(folder, context.obj.registry, new_data)
    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    with (
        tempfile.TemporaryDirectory(prefix="tlkit-") as cache,
        Progress(console=messages, transient=True, disable=not messages.is_terminal) as bars,
    ):
        reading = bars.add_task("reading images", total=None)
        data = open_run_data(
            recipe,
            folder,
            new_data,
            Path(cache),
            lambda done, total: bars.update(reading, completed=done, total=total),
        )
        name, rows = choose_rows(data, split, new_data)
        measuring = bars.add_task("evaluating", total=len(rows))
        outcome = measure(
            predictor.model,
            predictor.card,
            data,
            rows,
            batch_size=batch_size or recipe.input.batch_size,
            progress=lambda done, _total: bars.update(measuring, completed=done),
        )
    for each in data.set_aside:
        messages.print(f"set aside: {each.key}: {each.reason}", markup=False, style="yellow")
    _print_tables(Console(highlight=False), f"{name}: {len(rows)} images", outcome.metrics)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_metrics(out, {name: outcome.metrics})
        click.echo(f"Metrics: {out}")


def recipe_with_data(folder: RunFolder, registry: Registry, new_data: Path | None) -> Recipe:
    """The recipe of a run, with its data replaced.

    Raises:
        RunError: the run has no recipe.
        DataError: the data set of the recipe has no folder that could be replaced, or ``new_data`` doesn't exist.
    """
    import json

    from tlkit.errors import DataError, RunError
    from tlkit.runs.plugins import load_run_recipe

    if not folder.recipe.is_file():
        raise RunError(f"{folder.recipe}: no such file; it tells how the run's data is read")
    recipe = load_run_recipe(folder, registry)
    if new_data is None:
        return recipe
    if not new_data.exists():
        raise DataError(f"{new_data}: no such file or folder; expected data in the form of the run's own")
    options = recipe.data.record.options.model_fields
    if "path" in options:
        paths = {"path": new_data}
    elif {"images", "masks"} <= set(options):
        paths = {"images": new_data / "images", "masks": new_data / "masks"}
    else:
        raise DataError(f'--data: the data set "{recipe.data.record.name}" of this run is not read from a folder')
    overrides = [
        f"data.{key}={json.dumps(path.resolve().as_posix(), ensure_ascii=False)}" for key, path in paths.items()
    ]
    return load_run_recipe(folder, registry, overrides)


def open_run_data(recipe: Recipe, folder: RunFolder, new_data: Path | None, cache: Path, progress: Any) -> Data:
    """Open the run's data with its own splits, or other data without any.

    Raises:
        RunError: ``samples.csv`` is missing.
        DataError: the data can't be used.
    """
    from tlkit.data.prepare import open_data
    from tlkit.data.settings import DataSettings
    from tlkit.errors import RunError

    if new_data is not None:
        update: dict[str, Any] = {"validation": 0.0, "test": 0.0, "samples": None, "group_pattern": None}
    elif folder.samples.is_file():
        update = {"samples": folder.samples}
    else:
        raise RunError(f"{folder.samples}: no such file; it tells which images are in which split")
    table = recipe.input.model_copy(update=update)
    minimum_classes = 2 if new_data is None else 1
    settings = DataSettings(recipe.data, table, recipe.task, recipe.seed, minimum_classes=minimum_classes)
    return open_data(settings, cache, cache=recipe.train.cache != "off", progress=progress)


def choose_rows(data: Data, split: str | None, new_data: Path | None) -> tuple[str, np.ndarray]:
    """The name and the rows of what is measured.

    Raises:
        DataError: the split has no images.
    """
    import numpy as np

    from tlkit.errors import DataError

    if new_data is not None:
        return "data", np.arange(len(data.samples), dtype=np.int64)
    wanted = (split,) if split is not None else ("test", "validation")
    for name in wanted:
        rows = data.indices(name)  # type: ignore[arg-type]
        if len(rows):
            return name, rows
    raise DataError(f"the run's data has no {' and no '.join(wanted)} images; --split or --data names others")


def _print_tables(console: Any, title: str, metrics: Mapping[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("metric", "value", title=escape(title), title_justify="left")
    for name, value in metrics.items():
        if isinstance(value, float | int):
            table.add_row(name, f"{value:.4f}" if isinstance(value, float) else f"{value:,}")
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
        classes.add_row(escape(name), *[_cell(value) for value in values])
    console.print(classes)


def _cell(value: float | int | None) -> str:
    return "–" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
