"""``tlkit check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlkit.cli.console import say
from tlkit.cli.options import PATH, cluster_option, overwrite_option, set_option
from tlkit.cli.session import Session
from tlkit.system.text import counted

if TYPE_CHECKING:
    from tlkit.jobs.check import CheckResult


@click.command()
@click.argument("target", type=PATH, metavar="RECIPE|FOLDER")
@set_option
@click.option("--json", "json_file", type=PATH, metavar="FILE", help="Write all findings to a JSON file.")
@click.option(
    "--html",
    "page_file",
    type=PATH,
    metavar="FILE",
    help="Write a web page with pictures of them, and some masks over their images.",
)
@click.option(
    "--apply",
    "decisions",
    type=PATH,
    metavar="FILE",
    help="Also write a table of labels as FILE, a labels.csv of tlkit labels, decides in its column decision (keep, "
    "fix:NAME or drop), and print the lines of a recipe that use it.",
)
@click.option(
    "--out", type=PATH, metavar="FILE", help="The table that --apply writes.  [default: labels-applied.csv beside FILE]"
)
@cluster_option
@overwrite_option
@click.pass_obj
def check(
    session: Session,
    target: Path,
    json_file: Path | None,
    page_file: Path | None,
    decisions: Path | None,
    out: Path | None,
) -> None:
    """Read every file of a data set and report damaged, odd and duplicate files, and leaks between splits.

    No file is changed. The recipe's table [check] says which findings are errors, which files are set aside, and which
    are used anyway. Unchanged files are not read a second time.

    The exit code is 1 if there are errors.
    """
    from tlkit.jobs import api
    from tlkit.recipe.load import refuse_missing
    from tlkit.system.disk import write_atomically, writing
    from tlkit.system.progress import Reporter
    from tlkit.system.remote_names import named, url_of

    if out is not None and decisions is None:
        raise click.UsageError("--out names the table that --apply writes; give --apply FILE, too")
    session.check_new_files(json_file, page_file)
    if url_of(target) is None:
        refuse_missing(target, "a folder of images")
    if url_of(target) is None and (target.suffix == ".toml" or not target.exists()):
        session.load_recipe(target)  # before the progress bar: it may ask about plugins
    if decisions is not None:
        _apply(session, target, decisions, out)
    with Reporter() as reporter, reporter.stages("looking for images") as show:
        result = api.check(
            target,
            session.overrides,
            registry=session.registry,
            progress=show,
            cluster=session.cluster,
            say=reporter.say,
        )
    _print(result)
    if json_file is not None:
        with writing(json_file):
            write_atomically(json_file, named(result.report.json_text()))
        say(f"{json_file}: written")
    if page_file is not None:
        from tlkit.report.check_page import check_page

        with writing(page_file):
            write_atomically(page_file, named(check_page(result.report)))
        say(f"{page_file}: written; open it in a browser")
    if result.report.of("error"):
        click.get_current_context().exit(1)


def _apply(session: Session, target: Path, file: Path, out: Path | None) -> None:
    """Write the table that somebody's decisions make of a recipe's data, and print how to use it."""
    from tlkit.cli.console import say_text
    from tlkit.jobs.check import recipe_of
    from tlkit.jobs.decisions import apply_decisions

    recipe = recipe_of(target, session.registry, session.overrides)
    applied = apply_decisions(recipe, file, out, overwrite=session.overwrite)
    counts = applied.decisions
    say(f"{file}: {len(counts.fixed)} fixed, {len(counts.dropped)} dropped, {counts.kept} kept; no image was changed")
    for note in applied.notes:
        say(f"note     {note}")
    replaces = applied.recipe.startswith("[data]")
    how = "replace the table [data] of the recipe by these lines" if replaces else "add this key to the recipe"
    say(f"{applied.file}: written. To use it, {how}:")
    say_text(f"{applied.recipe}\n\n")


def _print(result: CheckResult) -> None:
    report = result.report
    say(f"{report.name}: {report.counts()}")
    splits = ", ".join(f"{count} {split}" for split, count in report.splits.items())
    read = f"{counted(report.read, 'file')} read in {report.seconds:.1f} s"
    say(f"  {splits or 'no splits'}; {counted(len(report.classes), 'class')}; {read}")
    for line in report.lines():
        say(line)
    if result.task == "segmentation":
        shares = ", ".join(f"{name} {values['pixels']:.1%}" for name, values in report.classes.items())
        say(f"share of the pixels: {shares}")
    for note in result.notes:
        say(f"note     {note}")
    if not report.findings:
        say("nothing found")
