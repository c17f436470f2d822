"""``tlkit augment``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli.options import overwrite_option, picture_option, recipe_argument, set_option
from tlkit.cli.session import Session
from tlkit.system.text import counted


@click.command()
@recipe_argument
@set_option
@picture_option("<recipe>-augment.png")
@click.option(
    "--images", type=click.IntRange(1, 50), default=6, show_default=True, metavar="N", help="Number of images."
)
@click.option(
    "--views", type=click.IntRange(1, 20), default=6, show_default=True, metavar="N", help="Augmented views per image."
)
@overwrite_option
@click.pass_obj
def augment(session: Session, recipe: Path, out: Path | None, images: int, views: int) -> None:
    """Draw training images of RECIPE as they are and augmented, with their masks or labels.

    Use it to see whether the augmentation keeps what matters in the images. Only a few images are read, and nothing is
    trained.
    """
    from tlkit.cli.console import say, saying
    from tlkit.system.disk import write_atomically, writing

    checked = session.load_recipe(recipe)
    target = out or Path(f"{checked.name}-augment.png")
    session.check_new_files(target)
    from tlkit.jobs.augment import augmentation_sheet

    with saying("starting TensorFlow and augmenting images"):
        sheet = augmentation_sheet(checked, images=images, views=views)
    with writing(target):
        write_atomically(target, sheet.png)
    say(f"{counted(sheet.images, 'image')}, augmented by {' → '.join(sheet.policies)}: {target}")
    if not sheet.augments:
        say("The recipe augments nothing. Add [augment] name = …; tlkit plugins lists the policies.")
