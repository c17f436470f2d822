"""``tlkit data``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlkit.cli.options import PATH, overwrite_option, set_option
from tlkit.cli.session import Session
from tlkit.system.text import counted

if TYPE_CHECKING:
    from tlkit.contracts import Split
    from tlkit.jobs.data_export import Format

_SHOWN = 10
"""Number of files that were set aside and are printed."""


@click.group()
def data() -> None:
    """Write a data set in a form that other tools read."""


@data.command()
@click.argument("target", type=PATH, metavar="RUN|RECIPE")
@click.option(
    "--format",
    "form",
    type=click.Choice(["coco", "masks"]),
    required=True,
    help="coco: annotations/instances_SPLIT.json. masks: a PNG of class numbers for each image.",
)
@click.option(
    "--out",
    type=PATH,
    metavar="FOLDER",
    help="The folder to write.  [default: <recipe or run>-<format> in the current folder]",
)
@click.option(
    "--split",
    "splits",
    type=click.Choice(["train", "validation", "test"]),
    multiple=True,
    help="Write only this split. Repeatable.  [default: all]",
)
@click.option("--images", is_flag=True, help="Also copy the images, for tools that want them beside the masks.")
@set_option
@overwrite_option
@click.pass_obj
def export(
    session: Session, target: Path, form: Format, out: Path | None, splits: tuple[Split, ...], images: bool
) -> None:
    """Write the masks that a run used, or that a recipe reads, to look at them elsewhere.

    Masks have the sizes of their images. The images stay where they are unless --images is given.

    \b
    Examples:
      tlkit data export runs/cells-1 --format masks
      tlkit data export cells.toml --format coco --split validation --out cells-coco
    """
    from tlkit.cli.console import messages_console, progress_bars, say, say_text
    from tlkit.errors import DataError
    from tlkit.jobs.data_export import Request, export_data

    name = target.resolve().name if target.is_dir() else target.stem
    folder = out or Path(f"{name}-{form}")
    messages = messages_console()
    request = Request(target, form, folder, splits, session.overrides, session.overwrite, images)
    with progress_bars(messages, "looking for images") as progress:
        result = export_data(request, session.registry, progress)
    for each in result.set_aside[:_SHOWN]:
        messages.print(f"set aside: {each.key}: {each.reason}", style="yellow")
    if len(result.set_aside) > _SHOWN:
        messages.print(f"set aside: and {len(result.set_aside) - _SHOWN} more", style="yellow")
    counts = ", ".join(f"{count} {split}" for split, count in result.counts.items())
    say(f"{folder}: written: {counted(sum(result.counts.values()), 'mask')} ({counts or 'none'})")
    if not result.counts:
        raise DataError("no mask could be read")
    say_text(f"\nA recipe reads it with\n\n{result.recipe}")
