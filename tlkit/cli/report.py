"""``tlkit report``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli.options import memory_option, run_argument, trust_option
from tlkit.cli.session import Session


@click.command()
@run_argument
@click.option(
    "--full",
    is_flag=True,
    help="Also show where the model looked in wrong and right images, and what it doesn't know; and write "
    "limits.safetensors for predict --unknown and --sets. Takes a pass over all images.",
)
@memory_option
@trust_option
@click.pass_obj
def report(session: Session, run: Path, full: bool) -> None:
    """Write the report of the finished run in the folder RUN again.

    It is made from the run's model, tables and data. Replaces report.html, pictures, metrics.json and predictions.csv;
    nothing else changes. RUN may be the folder of a cross-validation, whose results are put together again from those
    of its folds. The report.html in a run folder from someone else is a web page that they made: this command replaces
    it with one that tlkit made.
    """
    from tlkit.cli.console import messages_console, progress_bars, say
    from tlkit.jobs.report import rewrite_report

    with progress_bars(messages_console()) as progress:
        folder = rewrite_report(run, registry=session.registry, trust=session.trust, full=full, progress=progress)
    say(f"{folder.report}: written. Open it in a browser.")
    if folder.limits.is_file() and not full:
        say("note: without --full the report shows neither where the model looked nor what it does not know")
