"""``tlkit report``: write a run's report anew."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from tlkit.cli import no_plugins_option, plugin_option, trust_option


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@plugin_option
@no_plugins_option
@trust_option
@click.pass_context
def report(context: click.Context, run: Path, trust: bool) -> None:
    """Write the report of the finished run folder RUN anew, from its model, its tables and its own data.

    Replaces report.html, pictures, metrics.json and predictions.csv; nothing else changes. A report.html that somebody
    else made is a web page of theirs: this one is tlkit's.
    """
    from rich.console import Console
    from rich.progress import Progress

    from tlkit.runs.disk_errors import explain_disk_errors
    from tlkit.runs.folder import RunFolder
    from tlkit.runs.lock import locked
    from tlkit.system.tensorflow import start_tensorflow

    folder = RunFolder(run)
    folder.read_card()
    folder.refuse_links()
    start_tensorflow()
    from tlkit.cli.evaluate import open_run_data, recipe_with_data
    from tlkit.evaluation.predictor import Predictor
    from tlkit.recipe.monitor import choose_monitor
    from tlkit.report.compared_runs import best_epoch
    from tlkit.report.run_report import plugin_sections, write_results
    from tlkit.runs.history import read_history

    registry = context.obj.registry
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with (
        locked(folder.path),
        explain_disk_errors(folder.path),
        tempfile.TemporaryDirectory(prefix="tlkit-") as cache,
        Progress(console=console, transient=True, disable=not console.is_terminal) as bars,
    ):
        predictor = Predictor.open(run, trust=trust)
        recipe = recipe_with_data(folder, registry, None)
        history = read_history(folder.history)
        best = (0, "")
        if history.epochs:
            monitor = choose_monitor(recipe.train, recipe.task, list(history.columns))
            best = best_epoch(history, monitor, restore_best=recipe.train.restore_best), monitor.name
        reading = bars.add_task("reading images", total=None)
        data = open_run_data(
            recipe, folder, None, Path(cache), lambda done, total: bars.update(reading, completed=done, total=total)
        )
        measuring = bars.add_task("evaluating", total=None)
        write_results(
            folder,
            predictor,
            data,
            batch_size=recipe.input.batch_size,
            sections=plugin_sections(registry, folder),
            progress=lambda done, total: bars.update(measuring, completed=done, total=total),
            best=best,
        )
    click.echo(f"{folder.report}: written. Open it in a browser.")
