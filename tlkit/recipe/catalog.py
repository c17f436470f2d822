"""Find the recipes that tlkit ships."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import RecipeError
from tlkit.system.text import did_you_mean


@dataclass(frozen=True)
class ShippedRecipe:
    """A shipped recipe.

    Args:
        name: its path below the folder of recipes, without ``.toml``, with ``/`` between the parts.
        file: the TOML file.
        summary: the first line of its opening comment.
    """

    name: str
    file: Path
    summary: str

    @property
    def text(self) -> str:
        """The TOML text of the recipe."""
        return self.file.read_text(encoding="utf-8")


def folder() -> Path:
    """Return the folder of recipes: in the installed package, or in the checkout of an editable install."""
    package = Path(__file__).parent.parent
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def shipped() -> list[ShippedRecipe]:
    """Return all shipped recipes, sorted by name."""
    root = folder()
    recipes = []
    for file in sorted(root.rglob("*.toml")):
        first = file.read_text(encoding="utf-8").split("\n", 1)[0]
        name = file.relative_to(root).with_suffix("").as_posix()
        recipes.append(ShippedRecipe(name, file, first.lstrip("# ").strip()))
    return recipes


def find(name: str) -> ShippedRecipe:
    """Return the shipped recipe of a name, given with or without ``.toml``.

    Raises:
        RecipeError: there is no such recipe; the message names the nearest.
    """
    recipes = {recipe.name: recipe for recipe in shipped()}
    wanted = _bare_name(name)
    if wanted in recipes:
        return recipes[wanted]
    hint = did_you_mean(wanted, recipes, otherwise=f"; there are {', '.join(recipes)}")
    raise RecipeError(f'no shipped recipe "{name}"{hint}')


def resolve(path: Path) -> Path:
    """Return the file that a command means: ``path`` itself if it is a file, else the shipped recipe of that name."""
    if path.is_file():
        return path
    wanted = _bare_name(path.as_posix())
    return next((recipe.file for recipe in shipped() if recipe.name == wanted), path)


def _bare_name(name: str) -> str:
    return name.removesuffix(".toml").removeprefix("recipes/")
