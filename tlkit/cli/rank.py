"""``tlkit rank``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlkit.cli.options import FILE, cluster_option, overwrite_option, picture_option, recipe_argument, set_option
from tlkit.cli.session import Session
from tlkit.system.text import counted

if TYPE_CHECKING:
    from tlkit.jobs.rank import Ranking


@click.command()
@recipe_argument
@click.option(
    "--backbones",
    multiple=True,
    default=("all-small",),
    metavar="A,B,C",
    help="The backbones: names with or without options as in a recipe, such as MobileNetV2:alpha=0.35,DenseNet121; or "
    "all-small, the networks of keras.applications of up to 8 million weights. Repeatable.  [default: all-small]",
)
@click.option(
    "--sample",
    type=click.IntRange(min=2, max=10_000_000),
    default=2000,
    show_default=True,
    metavar="N",
    help="Use at most N training images, taken from all classes in turn.",
)
@set_option
@picture_option("<recipe>-rank.png")
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Also write the table to a CSV file.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Also write the table to a JSON file.")
@overwrite_option
@cluster_option
@click.pass_obj
def rank(
    session: Session,
    recipe: Path,
    backbones: tuple[str, ...],
    sample: int,
    out: Path | None,
    csv_file: Path | None,
    json_file: Path | None,
) -> None:
    """Rank backbones for the images of RECIPE, without training.

    Each backbone computes the images once. A linear head is cross-validated on its features, and LogME says how well
    they explain the labels. Prints a table, the lines to paste into the recipe, and draws accuracy over time. With
    --cluster, each backbone is computed by a worker of a Ray cluster.

    \b
    Examples:
      tlkit rank photos.toml
      tlkit rank photos.toml --backbones MobileNetV2:alpha=0.35,MobileNetV2,DenseNet121 --sample 500
      tlkit rank photos.toml --cluster local
    """
    import json

    from tlkit.cli.console import say
    from tlkit.system.disk import write_atomically, writing
    from tlkit.system.progress import Reporter

    checked = session.load_recipe(recipe)
    target = out or Path(f"{checked.name}-rank.png")
    session.check_new_files(target, csv_file, json_file)
    from tlkit.jobs.rank import rank_backbones

    with Reporter() as reporter:
        ranking = rank_backbones(checked, backbones, session.registry, reporter, sample=sample, cluster=session.cluster)
    _print(ranking)
    with writing(target):
        write_atomically(target, _picture(ranking))
    say(f"Picture: {target}")
    if csv_file is not None:
        with writing(csv_file):
            write_atomically(csv_file, _csv(ranking))
        say(f"Table: {csv_file}")
    if json_file is not None:
        with writing(json_file):
            write_atomically(json_file, json.dumps(ranking.as_json(), indent=2) + "\n")
        say(f"Table: {json_file}")


def _picture(ranking: Ranking) -> bytes:
    from tlkit.report.ranking_plot import Point, ranking_plot

    points = [
        Point(each.title, each.score, each.interval, 1000 * each.seconds, marked=not each.told_apart)
        for each in ranking.backbones
    ]
    title = f"{ranking.name}: {counted(ranking.images, 'image')}, {counted(ranking.classes, 'class')}"
    return ranking_plot(points, ranking.metric, title)


def _csv(ranking: Ranking) -> str:
    import io

    from tlkit.files import CellWriter

    text = io.StringIO(newline="")
    writer = CellWriter(text)
    columns = ["backbone", ranking.metric, "low", "high", "told_apart", "logme", "seconds_per_image", "weights"]
    writer.writerow([*columns, "features", "engine"])
    for each in ranking.backbones:
        low, high = each.interval or ("", "")
        numbers = [each.score, low, high, int(each.told_apart), each.logme, each.seconds, each.weights, each.features]
        writer.writerow([each.title, *numbers, each.engine])
    return text.getvalue()


def _print(ranking: Ranking) -> None:
    from rich.table import Table

    from tlkit.cli.console import say, say_text, tables_console

    metric = ranking.metric.replace("_", " ")
    columns = ("backbone", metric, "95 % interval", "LogME", "ms / image", "weights")
    title = f"{counted(ranking.images, 'image')}, {counted(ranking.classes, 'class')}"
    table = Table(columns[0], title=title, title_justify="left")
    for column in columns[1:]:
        table.add_column(column, justify="right")
    for each in ranking.backbones:
        interval = "" if each.interval is None else f"{each.interval[0]:.3f} to {each.interval[1]:.3f}"
        name = each.title if each.told_apart else f"{each.title} *"
        numbers = (f"{each.logme:.3f}", f"{1000 * each.seconds:.1f}", f"{each.weights:,}")
        table.add_row(name, f"{each.score:.3f}", interval, *numbers)
    tables_console(width=110).print(table)
    say("* the best, and those that can't be told apart from it on so many images")
    if ranking.left_out:
        say(f"left out, for the reasons above: {', '.join(ranking.left_out)}")
    for note in ranking.notes:
        say(f"note: {note}")
    best, fastest = ranking.best, ranking.fastest
    say(f"The best on these images is {best.title}. In the recipe:")
    say_text(f"{best.toml}\n")
    if fastest is not best:
        times = best.seconds / fastest.seconds
        say(f"{fastest.title} can't be told apart from it, and is {times:.1f} times as fast. In the recipe:")
        say_text(f"{fastest.toml}\n")
