"""``tlkit recipes``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tlkit.cli import Session


@click.group()
def recipes() -> None:
    """List, show and copy the shipped recipes."""


@recipes.command("ls")
def list_recipes() -> None:
    """List the shipped recipes with what each does."""
    from tlkit.recipe.catalog import shipped

    found = shipped()
    width = max((len(recipe.name) for recipe in found), default=0)
    for recipe in found:
        click.echo(f"{recipe.name:<{width}}  {recipe.summary}")


@recipes.command()
@click.argument("name")
def cat(name: str) -> None:
    """Print a shipped recipe."""
    from tlkit.recipe.catalog import find

    click.echo(find(name).text, nl=False)


@recipes.command()
@click.argument("name")
@click.argument("destination", type=click.Path(path_type=Path), default=".")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
def cp(name: str, destination: Path, force: bool) -> None:
    """Copy a shipped recipe to a file or folder.

    DESTINATION is by default the current folder. A file that is there is not overwritten.
    """
    from tlkit.errors import RecipeError
    from tlkit.recipe.catalog import find
    from tlkit.system.disk import write_atomically

    recipe = find(name)
    target = destination / recipe.file.name if destination.is_dir() else destination
    if target.exists() and not force:
        raise RecipeError(f"{target}: already there, nothing was changed; give another name, or --force to overwrite")
    if not target.parent.is_dir():
        raise RecipeError(f"{target.parent}: no such folder to copy to")
    try:
        write_atomically(target, recipe.text)
    except OSError as error:
        raise RecipeError(f"{target}: can't be written: {error.strerror}") from error
    click.echo(f"{target}: written; run it with  tlkit run {target}")


@recipes.command()
@click.pass_obj
def schema(session: Session) -> None:
    """Print a JSON Schema of recipes for editors.

    It has the options of the installed plugins and of those of --plugin.
    """
    from tlkit.recipe.jsonschema import recipe_schema

    click.echo(json.dumps(recipe_schema(session.registry), indent=2))
