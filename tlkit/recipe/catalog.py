"""The recipes that tlkit ships."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tlkit.errors import RecipeError
from tlkit.system.text import nearest


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe of the catalogue.

    Args:
        name: its path below the recipes' folder without ``.toml``, with ``/`` between the parts.
        summary: the first line of its opening comment.
    """

    name: str
    file: Path
    summary: str

    @property
    def text(self) -> str:
        """The TOML text."""
        return self.file.read_text(encoding="utf-8")


def folder() -> Path:
    """The recipes' folder: in the installed package, or the checkout's of an editable install."""
    package = Path(__file__).parent.parent
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def shipped() -> list[ShippedRecipe]:
    """All shipped recipes, by name."""
    root = folder()
    found = []
    for file in sorted(root.rglob("*.toml")):
        first = file.read_text(encoding="utf-8").split("\n", 1)[0]
        name = file.relative_to(root).with_suffix("").as_posix()
        found.append(ShippedRecipe(name, file, first.lstrip("# ").strip()))
    return found


def find(name: str) -> ShippedRecipe:
    """The shipped recipe of that name, with or without ``.toml``.

    Raises:
        RecipeError: there is none; the message names the nearest.
    """
    recipes = {recipe.name: recipe for recipe in shipped()}
    wanted = name.removesuffix(".toml").removeprefix("recipes/")
    if wanted in recipes:
        return recipes[wanted]
    near = nearest(wanted, recipes)
    hint = f'; did you mean "{near}"?' if near else f"; there are {', '.join(recipes)}"
    raise RecipeError(f'no shipped recipe "{name}"{hint}')


def resolve(path: Path) -> Path:
    """The file that a command means: ``path`` itself where it is a file, else the shipped recipe of that name."""
    if path.is_file():
        return path
    wanted = path.as_posix().removesuffix(".toml").removeprefix("recipes/")
    return next((recipe.file for recipe in shipped() if recipe.name == wanted), path)
