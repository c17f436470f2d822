"""What a recipe describes, built: its data, network, phases, augmentation and training; the same for every verb."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.contracts import AugmentContext, LabelKind, Phase
from tlkit.errors import DataError, PluginError, Problem, RecipeError
from tlkit.recipe.schema import Recipe

if TYPE_CHECKING:
    from tlkit.data.checks.check import Checked
    from tlkit.data.feed.policies import Policy
    from tlkit.data.prepare import Data
    from tlkit.data.store.store import Progress
    from tlkit.models.assemble import Network, Normalization
    from tlkit.runs.folder import RunFolder
    from tlkit.system.progress import Reporter
    from tlkit.train.loop import Training


def open_data(
    recipe: Recipe,
    folder: Path,
    progress: Progress | None = None,
    few: int | None = None,
    checking: Progress | None = None,
) -> Data:
    """Open the recipe's data: check it, decode it into a store and split it.

    Args:
        recipe: the recipe.
        folder: an empty folder for the decoded images.
        progress: called with how many of how many images are decoded.
        few: decode only this many training images, and neither check nor cache them; None for all.
        checking: called with how many of how many files are checked.

    Raises:
        DataError: the data can't be used.
        PluginError: the data set broke its contract.
    """
    from tlkit.data.prepare import open_data

    return open_data(
        recipe.data,
        recipe.input,
        task=recipe.task,
        seed=recipe.seed,
        folder=folder,
        progress=progress,
        few=few,
        keep=few is None and recipe.train.cache != "off",
        check=recipe.check if recipe.check.before_run else None,
        checking=checking,
    )


def check_data(recipe: Recipe, progress: Progress | None = None) -> Checked:
    """Check the files of the recipe's data, and decode nothing into a store.

    Raises:
        DataError: the data set can't be opened.
        PluginError: the data set broke its contract.
    """
    from tlkit.data.prepare import check_data

    return check_data(recipe.data, recipe.input, recipe.check, task=recipe.task, seed=recipe.seed, progress=progress)


def normalization(recipe: Recipe, data: Data) -> Normalization | None:
    """Return the normalization that ``[input] normalize`` asks for, from the training images; None for ``"none"``.

    Raises:
        DataError: a channel has the same value in every image, so it can't be scaled.
    """
    from tlkit.models.assemble import Normalization

    if recipe.input.normalize == "none":
        return None
    mean, deviation = data.channel_statistics("train")
    if recipe.input.normalize == "center":
        deviation[:] = 127.5
    if not deviation.all():
        raise DataError(
            'input.normalize: a channel has the same value in every training image; expected "center" or "none"'
        )
    return Normalization(tuple(mean.tolist()), tuple(deviation.tolist()))


def build_network(
    recipe: Recipe, classes: tuple[str, ...], label_kind: LabelKind, normalization: Normalization | None = None
) -> Network:
    """Build the recipe's network and load its weights.

    Raises:
        DataError: the images are too small for the backbone, or the weights don't fit it.
        PluginError: the backbone or the head broke its contract.
    """
    from tlkit.models.assemble import build_network

    return build_network(
        recipe.backbone,
        recipe.head,
        task=recipe.task,
        classes=classes,
        units=1 if recipe.task == "classification" and label_kind == "binary" else len(classes),
        image_size=recipe.input.image_size,
        seed=recipe.seed,
        precision=recipe.train.precision,
        normalization=normalization,
    )


def plan_phases(recipe: Recipe, network: Network) -> tuple[Phase, ...]:
    """Return the phases of the recipe's schedule for a network.

    Raises:
        RecipeError: the schedule doesn't fit the network.
        PluginError: the schedule broke its contract.
    """
    schedule = recipe.schedule
    try:
        phases = tuple(schedule.record.plan(network.outline, schedule.options))
    except ValueError as error:
        option, message = error.args if len(error.args) == 2 else ("", str(error))
        raise RecipeError([Problem(f"schedule.{option}".rstrip("."), str(message))]) from error
    names = [phase.name for phase in phases if isinstance(phase, Phase) and phase.epochs > 0]
    if not phases or len(names) != len(phases) or len(set(names)) != len(names):
        raise PluginError(
            f'schedule "{schedule.record.name}": expected a tuple of Phases with unique names and at least one '
            f"epoch each, received {phases!r}"
        )
    return phases


def build_policies(recipe: Recipe, data: Data) -> tuple[Policy, ...]:
    """Build the recipe's augmentation policies."""
    from tlkit.data.feed.policies import build_policies

    return build_policies(recipe.augment, AugmentContext(recipe.task, recipe.input.image_size, len(data.classes)))


def make_training(
    recipe: Recipe, data: Data, network: Network, folder: RunFolder, reporter: Reporter, **hooks: Any
) -> Training:
    """Set up the recipe's training. Sets the global random seeds of Keras, NumPy and Python.

    Args:
        recipe: the recipe.
        data: the recipe's data.
        network: the recipe's network.
        folder: the run folder, for the history and the checkpoints.
        reporter: the console.
        hooks: ``callbacks``, ``phase_finished`` and ``signals`` of ``Training``.

    Raises:
        RecipeError: the loss, a metric or the class weights are not valid.
    """
    import keras

    from tlkit.models.losses import Targets
    from tlkit.train.loop import Training

    keras.utils.set_random_seed(recipe.seed)
    return Training(
        network=network,
        data=data,
        targets=Targets(recipe.task, data.label_kind, len(data.classes)),
        table=recipe.train,
        seed=recipe.seed,
        batch_size=recipe.input.batch_size,
        policies=build_policies(recipe, data),
        folder=folder,
        reporter=reporter,
        backbone=recipe.backbone.record.name,
        input_settings=recipe.input.model_dump(mode="json", include={"image_size", "resize"}),
        **hooks,
    )
