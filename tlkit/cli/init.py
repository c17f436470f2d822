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
    help="What to learn from the Oxford-IIIT Pet data set, if that is what the folder holds.  [default: trimap]",
)
@click.option(
    "--task",
    type=click.Choice(["classification", "segmentation"]),
    help="What to learn, where the folder allows both.  [default: what the folder shows]",
)
@click.pass_obj
def init(
    session: Session,
    folder: Path,
    out: Path | None,
    force: bool,
    backbone: str,
    target: str | None,
    task: str | None,
) -> None:
    """Look at FOLDER, say what is in it, and write a recipe for it.

    FOLDER has a folder a class (also under train, val and test), or images and masks of the same names.
    """
    from tlkit.contracts import Backbone
    from tlkit.data.init.describe import describe
    from tlkit.data.init.scaffold import Choices, recipe_text
    from tlkit.data.init.survey import survey
    from tlkit.errors import DataError
    from tlkit.recipe.load import parse_recipe
    from tlkit.system.disk import write_atomically

    options = session.registry.find(Backbone, backbone).options
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-._") or "images"
    file = out or Path(f"{name}.toml")
    if file.exists() and not force:
        raise DataError(f"{file}: already there, nothing was changed; give another file with --out, or --force")
    if not file.parent.is_dir():
        raise DataError(f"{file.parent}: no such folder for the recipe")
    found = survey(folder)
    for line in describe(found):
        click.echo(line)
    shown = {"classes": "classification", "masks": "segmentation"}.get(found.layout, task)
    if task not in (None, shown):
        raise DataError(f"{folder}: it is laid out for {shown}, so a recipe for {task} can't be written for it")
    if found.layout == "oxford_pets" and target is not None and task is not None:
        fits = (target in ("trimap", "pet")) == (task == "segmentation")
        if not fits:
            raise DataError(
                f'--target {target} is not for {task}; "trimap" and "pet" are masks, "species" and "breed" classes'
            )
    target = target or ("breed" if task == "classification" else "trimap")
    weights = options.model_fields["weights"].default
    text = recipe_text(found, file.as_posix(), Choices(backbone, weights, target))
    parse_recipe(text, session.registry, file=file)
    try:
        write_atomically(file, text)
    except OSError as error:
        raise DataError(f"{file}: can't be written: {error.strerror}") from error
    click.echo(f"\n{file}: written. Read it, then:\n\n    tlkit run {file}")
