"""``tlkit init``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from tlkit.cli import Session


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The recipe's file; by default <folder>.toml here.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@click.option("--backbone", default="MobileNetV2", show_default=True, help="The backbone to use.")
@click.option(
    "--target",
    type=click.Choice(["trimap", "pet", "species", "breed"]),
    default="trimap",
    show_default=True,
    help="What to learn from the Oxford-IIIT Pet data set, if that is what the folder holds.",
)
@click.pass_obj
def init(session: Session, folder: Path, out: Path | None, force: bool, backbone: str, target: str) -> None:
    """Look at FOLDER, say what is in it, and write a recipe for it.

    FOLDER has a folder a class (also under train, val and test), or images and masks of the same names.
    """
    from tlkit.contracts import Backbone
    from tlkit.data.scaffold import Choices, describe, recipe_text
    from tlkit.data.survey import survey
    from tlkit.errors import DataError
    from tlkit.recipe.load import parse_recipe
    from tlkit.rundir import write_atomically

    session.registry.find(Backbone, backbone)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-.") or "images"
    file = out or Path(f"{name}.toml")
    if file.exists() and not force:
        raise DataError(f"{file}: already there, nothing was changed; give another file with --out, or --force")
    if not file.parent.is_dir():
        raise DataError(f"{file.parent}: no such folder for the recipe")
    found = survey(folder)
    for line in describe(found):
        click.echo(line)
    text = recipe_text(found, file.as_posix(), Choices(backbone, target))
    parse_recipe(text, session.registry, file=file)
    write_atomically(file, text)
    click.echo(f"\n{file}: written. Read it, then:\n\n    tlkit run {file}")
