"""``tlkit recipes``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli.console import say, say_json, say_text
from tlkit.cli.options import PATH, force_option, overwrite_option
from tlkit.cli.session import Session


@click.group()
def recipes() -> None:
    """List, print and copy the recipes that come with tlkit."""


@recipes.command("ls")
def list_recipes() -> None:
    """List the recipes and what each of them does."""
    from tlkit.recipe.catalog import shipped

    shipped_recipes = shipped()
    width = max((len(recipe.name) for recipe in shipped_recipes), default=0)
    for recipe in shipped_recipes:
        say(f"{recipe.name:<{width}}  {recipe.summary}")


@recipes.command()
@click.argument("name")
def cat(name: str) -> None:
    """Print a recipe."""
    from tlkit.recipe.catalog import find

    say_text(find(name).text)


@recipes.command()
@click.argument("name")
@click.argument("destination", type=PATH, default=".")
@overwrite_option
@force_option
@click.pass_obj
def cp(session: Session, name: str, destination: Path) -> None:
    """Copy a recipe to a file or folder.

    DESTINATION is the current folder by default.
    """
    from tlkit.recipe.catalog import find
    from tlkit.system.disk import write_atomically, writing

    recipe = find(name)
    target = destination / recipe.file.name if destination.is_dir() else destination
    session.check_new_files(target)
    with writing(target):
        write_atomically(target, recipe.text)
    say(f"{target}: written; run it with  tlkit run {target}")


@recipes.command()
@click.pass_obj
def schema(session: Session) -> None:
    """Print a JSON Schema of recipes, for editors.

    It includes the options of all plugins that are loaded.
    """
    from tlkit.recipe.jsonschema import recipe_schema

    say_json(recipe_schema(session.registry))
