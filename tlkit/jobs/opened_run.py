"""A run folder's recipe and images, opened again for another look at them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.jobs.from_recipe import with_range_of
from tlkit.jobs.measured_data import own_data
from tlkit.jobs.progress import Progress
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder
from tlkit.runs.plugins import load_run_recipe

if TYPE_CHECKING:
    from tlkit.data.run_data import Data


@dataclass(frozen=True)
class OpenedRun:
    """A run's recipe and images.

    Args:
        folder: the run folder.
        card: what its model is.
        recipe: its recipe.
        data: its images, decoded, with the splits of its ``samples.csv``.
    """

    folder: RunFolder
    card: Card
    recipe: Recipe
    data: Data


def open_run(folder: RunFolder, registry: Registry, scratch: Path, progress: Progress) -> OpenedRun:
    """Open the recipe and the images of a finished run.

    Args:
        folder: the run folder.
        registry: the plugins.
        scratch: an empty folder for the decoded images.
        progress: called with how many of how many images are read.

    Raises:
        RunError: the run is not finished, or a file of it is missing or damaged.
        RecipeError: its recipe is not valid here, such as when a plugin is not installed.
        DataError: the data can't be used.
    """
    card = folder.read_card()
    recipe = with_range_of(load_run_recipe(folder, registry), card)
    return OpenedRun(folder, card, recipe, own_data(folder, registry).decode(scratch, progress))
