"""``tlkit augment``: look at what a recipe's augmentation does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from tlkit.cli import Session, set_option


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@set_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The PNG file to write.  [default: <recipe>-augment.png]",
)
@click.option("--images", type=click.IntRange(1, 50), default=6, show_default=True, help="How many images to show.")
@click.option("--views", type=click.IntRange(1, 20), default=6, show_default=True, help="Augmented views of each.")
@click.option("--overwrite", is_flag=True, help="Overwrite the file if it exists.")
@click.pass_obj
def augment(
    session: Session,
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    images: int,
    views: int,
    overwrite: bool,
) -> None:
    """Draw a sheet of training images of RECIPE, as they are and augmented, with their masks or labels.

    A few images are read; nothing is trained.
    """
    from tlkit.jobs import parts
    from tlkit.recipe import catalog
    from tlkit.recipe.load import load_recipe
    from tlkit.system.disk import check_new_file, write_atomically
    from tlkit.system.tensorflow import start_tensorflow

    checked = load_recipe(catalog.resolve(recipe), session.registry, overrides)
    target = out or Path(f"{checked.name}-augment.png")
    check_new_file(target, overwrite=overwrite)
    names = [each.record.name for each in checked.augment]
    start_tensorflow()
    from tlkit.report.augment_sheet import augment_sheet

    with tempfile.TemporaryDirectory(prefix="tlkit-") as folder:
        data = parts.open_few(checked, images, Path(folder))
        title = f"{checked.name}: {' → '.join(names)}"
        policies = parts.build_policies(checked, data)
        sheet = augment_sheet(data, policies, views=views if policies else 1, seed=checked.seed, title=title)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, sheet)
    click.echo(f"{len(data.samples)} images, augmented by {' → '.join(names)}: {target}")
    if not policies:
        click.echo("The recipe augments nothing; [augment] name = … does, see tlkit plugins.")
