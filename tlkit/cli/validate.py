"""``tlkit validate``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli import Session, set_option


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RECIPE...")
@set_option
@click.pass_obj
def validate(session: Session, recipes: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    """Check recipes and report every problem with its file, line and key.

    Nothing is trained and no image is read. The exit code is 2 when any recipe has a problem.
    """
    from tlkit.errors import RecipeError
    from tlkit.recipe.catalog import resolve
    from tlkit.recipe.load import load_recipe

    bad = 0
    for recipe in recipes:
        file = resolve(recipe)
        try:
            load_recipe(file, session.registry, overrides)
        except RecipeError as error:
            bad += len(error.problems)
            for problem in error.problems:
                which = f"{file}: " if problem.file is None and len(recipes) > 1 else ""
                click.echo(f"{which}{problem}", err=True)
        else:
            click.echo(f"{file}: ok")
    if bad:
        click.echo(f"{bad} problem{'s' if bad > 1 else ''} found", err=True)
        raise click.exceptions.Exit(2)
