"""``tlkit labels``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli.options import PATH, memory_option, overwrite_option, run_argument, trust_option
from tlkit.cli.session import Session

_PRINTED = 10


@click.command()
@run_argument
@click.option("--out", type=PATH, metavar="FOLDER", help="Where to write labels.csv and labels.html.  [default: RUN]")
@memory_option
@overwrite_option
@trust_option
@click.pass_obj
def labels(session: Session, run: Path, out: Path | None) -> None:
    """Find the images of the run folder RUN whose labels may be wrong.

    Writes labels.csv, a table of all images with a column to fill in, and labels.html, a page with their pictures. Each
    image is judged by a model that did not train on it: in the folder of tlkit run --folds by that fold, otherwise by a
    linear head that is cross-validated on the backbone's features. For masks, these are the images whose mask and
    prediction disagree most.

    \b
    Then: tlkit check RUN/recipe.toml --apply RUN/labels.csv

    Needs the package cleanlab: pip install "tlkit[labels]"
    """
    from tlkit.cli.console import messages_console, say, tables_console
    from tlkit.jobs.labels import find_wrong_labels
    from tlkit.report.label_table import findings_text
    from tlkit.system.progress import Reporter

    messages = messages_console()
    with Reporter(messages) as reporter:
        result = find_wrong_labels(
            run,
            out,
            registry=session.registry,
            reporter=reporter,
            overwrite=session.overwrite,
            trust=session.trust,
        )
    say(result.source)
    for note in result.notes:
        messages.print(f"note: {note}", style="yellow")
    from rich.table import Table

    masks = result.masks
    columns = ("image", "mean IoU", "finding") if masks else ("image", "label", "score", "seems to be")
    table = Table(*columns, title=f"most likely wrong of {len(result.images):,} images", title_justify="left")
    for each in result.images[:_PRINTED]:
        named = (each.key,) if masks else (each.key, each.label or "(none)")
        table.add_row(*named, f"{each.score:.3f}", findings_text(each) if masks else each.suggested)
    tables_console(width=110).print(table)
    for finding, count in result.counts().items():
        say(f"{finding}: {count:,}")
    say(f"{result.page}: written; open it in a browser")
    if not result.command:
        say(f"{result.table}: written; the images are no files, so change their labels where they come from")
        return
    decisions = "keep or drop" if masks else "keep, fix:NAME or drop"
    say(f"{result.table}: written; fill in its column decision ({decisions}), then:")
    say(f"  {result.command}")
