"""``tlkit validate``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli.console import say
from tlkit.cli.options import PATH, set_option
from tlkit.cli.session import Session


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=PATH, metavar="RECIPE...")
@set_option
@click.pass_obj
def validate(session: Session, recipes: tuple[Path, ...]) -> None:
    """Check recipes and report every problem with its file, line and key.

    A RECIPE is a TOML file, or the name of a recipe that comes with tlkit. Nothing is trained and no image is read.
    The exit code is 2 if any recipe has a problem.
    """
    from tlkit.errors import RecipeError
    from tlkit.recipe.catalog import resolve

    count = 0
    for recipe in recipes:
        file = resolve(recipe)
        try:
            session.load_recipe(recipe)
        except RecipeError as error:
            count += len(error.problems)
            for problem in error.problems:
                prefix = f"{file}: " if problem.file is None and len(recipes) > 1 else ""
                say(f"{prefix}{problem}", err=True)
        else:
            say(f"{file}: ok")
    if count:
        say(f"{count} problem{'s' if count > 1 else ''} found", err=True)
        raise click.exceptions.Exit(2)
