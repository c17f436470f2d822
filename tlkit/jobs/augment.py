"""What ``tlkit augment`` does: draw training images as a recipe augments them."""

from __future__ import annotations

from dataclasses import dataclass

from tlkit.jobs import from_recipe
from tlkit.recipe.schema import Recipe
from tlkit.system.disk import temporary_folder
from tlkit.system.memory import explained_memory
from tlkit.system.tensorflow import start_tensorflow


@dataclass(frozen=True)
class AugmentationSheet:
    """Training images as they are and augmented.

    Args:
        png: the picture.
        images: the number of images on it.
        policies: the names of the recipe's augmentation policies, in the order in which they are applied.
        augments: whether any of them changes images.
    """

    png: bytes
    images: int
    policies: tuple[str, ...]
    augments: bool


@explained_memory("draw fewer images or views, or smaller ones (--set input.image_size=N)")
def augmentation_sheet(recipe: Recipe, *, images: int, views: int) -> AugmentationSheet:
    """Draw some training images, each with augmented views of it, with their masks or labels.

    Args:
        recipe: the recipe whose augmentation is drawn; only as many images as needed are decoded.
        images: the number of images, at least 1.
        views: the number of augmented views per image, at least 1.

    Raises:
        DataError: the data can't be used.
        PluginError: the data set or a policy broke its contract.
    """
    from_recipe.refuse_missing_files(recipe)
    start_tensorflow()
    from tlkit.report.augment_sheet import augment_sheet

    names = tuple(each.record.name for each in recipe.augment)
    with temporary_folder() as folder:
        data = from_recipe.open_few(recipe, images, folder)
        policies = from_recipe.build_policies(recipe, data)
        title = f"{recipe.name}: {' → '.join(names)}"
        png = augment_sheet(data, policies, views=views if policies else 1, seed=recipe.seed, title=title)
    return AugmentationSheet(png, len(data.samples), names, bool(policies))
