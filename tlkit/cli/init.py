"""``tlkit init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tlkit.cli.options import PATH, force_option, overwrite_option
from tlkit.cli.session import Session

if TYPE_CHECKING:
    from tlkit.contracts import Task


@click.command()
@click.argument("folder", type=PATH)
@click.option(
    "--out",
    type=PATH,
    metavar="FILE.toml",
    help="The recipe to write.  [default: <folder>.toml in the current folder]",
)
@click.option(
    "--backbone", default="MobileNetV2", show_default=True, metavar="NAME", help="The backbone of the recipe."
)
@click.option(
    "--task",
    type=click.Choice(["classification", "segmentation"]),
    help="What to learn, if the folder allows both.  [default: what the folder shows]",
)
@click.option(
    "--target",
    type=click.Choice(["trimap", "pet", "species", "breed"]),
    help="What to learn from the Oxford-IIIT Pet data set, if that is what the folder holds.  [default: trimap]",
)
@overwrite_option
@force_option
@click.pass_obj
def init(
    session: Session, folder: Path, out: Path | None, backbone: str, task: Task | None, target: str | None
) -> None:
    """Look at the images in FOLDER, print what is there, and write a recipe for them.

    \b
    FOLDER holds either one folder per class:
      cats/1.jpg  dogs/1.jpg              (also under train/, val/ and test/)
    or images and masks of the same names:
      images/1.jpg  masks/1.png
    In its place, give a table of images or a file of arrays:
      labels.csv  labels.tsv  arrays.npz

    A folder or table may be a URL that tlkit[remote] reads, such as s3://bucket/photos. The recipe names that URL.

    The recipe explains its settings; read it before you run it.
    """
    from tlkit.cli.console import say
    from tlkit.contracts import Dataset
    from tlkit.data.init.describe import describe
    from tlkit.data.init.survey import survey
    from tlkit.jobs.init import Request, recipe_file, recipe_for
    from tlkit.system.disk import write_atomically, writing
    from tlkit.system.remote import local_path
    from tlkit.system.remote_names import named

    folder = local_path(folder, with_neighbours=True)
    file = out or recipe_file(folder)
    session.check_new_files(file)
    seen = survey(folder, [dataset for dataset, _ in session.registry.records(Dataset)], task)
    for line in describe(seen):
        say(line)
    text, warning = recipe_for(seen, Request(backbone, task, target), file, session.registry)
    if warning:
        say(f"  note: {warning}")
    with writing(file):
        write_atomically(file, named(text))
    say()
    say(f"{file}: written. Read it, then:")
    say()
    say(f"    tlkit check {file}    (finds copies, near-copies and damaged files)")
    say(f"    tlkit run {file}")
