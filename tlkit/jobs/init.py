"""What ``tlkit init`` does: write a recipe for a folder of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.contracts import Backbone, Task
from tlkit.errors import DataError
from tlkit.recipe.load import parse_recipe
from tlkit.registry import Registry
from tlkit.system.text import plain_name

if TYPE_CHECKING:
    from tlkit.data.init.contents import Survey

_TASKS: dict[str, Task] = {"classes": "classification", "masks": "segmentation"}
"""Layout of a folder → the only task that it allows."""


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Args:
        backbone: the name of the backbone.
        task: what to learn; None for what the folder shows.
        target: what to learn from the Oxford-IIIT Pet data set; None for the default of the task.
    """

    backbone: str
    task: Task | None = None
    target: str | None = None


def recipe_file(folder: Path) -> Path:
    """Return the default file for the recipe of a folder or file: ``<its name>.toml`` in the current folder."""
    name = folder.stem if folder.is_file() else folder.resolve().name
    return Path(f"{plain_name(name)}.toml")


def default_weights(backbone: str, registry: Registry) -> str:
    """Return the weights that a backbone starts from by default.

    Raises:
        PluginError: there is no such backbone.
    """
    return str(registry.find(Backbone, backbone).options.model_fields["weights"].default)


def recipe_for(seen: Survey, request: Request, file: Path, registry: Registry) -> tuple[str, str]:
    """Return a commented recipe, checked, for a folder, and a warning about it; an empty text if there is none.

    Args:
        seen: what is in the folder.
        request: what the user asked for.
        file: the file that the recipe is for.
        registry: the plugins.

    Raises:
        DataError: the folder is not laid out for the task, or the target is not for it.
        PluginError: there is no such backbone.
        RecipeError: the recipe would not be valid.
    """
    from tlkit.data.init.data_table import Choices, is_segmentation
    from tlkit.data.init.head_table import heavy_head
    from tlkit.data.init.scaffold import recipe_text

    task, target = request.task, request.target
    shown = _TASKS.get(seen.layout, task)
    if seen.detected is not None:
        shown = seen.detected.task
    if task not in (None, shown):
        raise DataError(f"{seen.root}: laid out for {shown}, so a recipe for {task} can't be written for it")
    if seen.layout == "oxford_pets" and target is not None and task is not None:
        fits = (target in ("trimap", "pet")) == (task == "segmentation")
        if not fits:
            raise DataError(
                f'--target {target} is not for {task}; "trimap" and "pet" are masks, "species" and "breed" classes'
            )
    if seen.problems:
        raise DataError("\n".join([f"{seen.root}: no recipe was written:", *(f"  {each}" for each in seen.problems)]))
    target = target or ("breed" if task == "classification" else "trimap")
    choices = Choices(request.backbone, default_weights(request.backbone, registry), target)
    text = recipe_text(seen, file.as_posix(), choices)
    parse_recipe(text, registry, file=file)
    return text, heavy_head(choices, segmentation=is_segmentation(seen, choices))
