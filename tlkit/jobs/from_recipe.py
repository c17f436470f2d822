"""Build what a recipe describes, in the same way for every verb: data, network, phases, augmentation and training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tlkit.boundary.phases import phases_problem
from tlkit.contracts import AugmentContext, HeadContext, LabelKind, Phase, SampleSet
from tlkit.errors import DataError, PluginError, Problem, RecipeError
from tlkit.files import expanded
from tlkit.recipe.data_part import DataPart
from tlkit.recipe.load import locate
from tlkit.recipe.schema import Recipe

if TYPE_CHECKING:
    from tlkit.data.checks.check import Checked
    from tlkit.data.checks.spread_facts import SpreadFacts
    from tlkit.data.feed.policies import Policy
    from tlkit.data.full_size import FullSize
    from tlkit.data.images.reading import Reading
    from tlkit.data.run_data import Data
    from tlkit.data.settings import DataSettings
    from tlkit.data.store.store import Progress
    from tlkit.models.assemble import Network, Normalization
    from tlkit.runs.card import Card
    from tlkit.runs.folder import RunFolder
    from tlkit.system.progress import Reporter
    from tlkit.train.loop import Training
    from tlkit.train.setting import Setting
    from tlkit.train.team import Team

T = TypeVar("T", Recipe, DataPart)


def refuse_missing_files(recipe: Recipe) -> None:
    """Check, before TensorFlow is imported, that the files and folders are there that the recipe names.

    Raises:
        DataError: one of them is not there.
        PluginError: the data set broke its contract.
    """
    from tlkit.models.weights_path import weights_path

    weights_path(recipe.backbone.options)
    options = recipe.data.options
    named = [getattr(options, name) for name in type(options).model_fields] + [recipe.input.samples]
    if any(isinstance(each, Path) and not expanded(each).exists() for each in named):
        from tlkit.data.prepare import open_samples

        # The data set's own error says what it expected there.
        open_samples(data_settings(recipe))


def refuse_missing_engine(recipe: Recipe, overrides: Sequence[str]) -> None:
    """Check, before TensorFlow is imported, that this machine has the engine that the recipe names.

    Args:
        recipe: the recipe, overrides applied.
        overrides: the overrides as the user wrote them, to which the problem may point.

    Raises:
        RecipeError: the engine is not installed, or can't compute in the precision that the recipe asks for.
    """
    from tlkit.train.asked_engine import check_engine

    try:
        check_engine(recipe.train)
    except RecipeError as error:
        raise RecipeError(locate(error.problems, recipe.file, overrides)) from error


def open_data(recipe: Recipe, folder: Path, progress: Progress | None = None, checking: Progress | None = None) -> Data:
    """Check the recipe's data, decode it into a store in ``folder`` and split it.

    Raises:
        DataError: the data can't be used.
        PluginError: the data set broke its contract.
    """
    from tlkit.data.prepare import open_data

    settings = data_settings(recipe)
    if not recipe.check.before_run:
        settings = replace(settings, check=None)
    return open_data(settings, folder, cache=recipe.train.cache != "off", progress=progress, checking=checking)


def open_few(recipe: Recipe, count: int, folder: Path, progress: Progress | None = None) -> Data:
    """Decode ``count`` training images of the recipe into a store in ``folder``, taking the classes in turn.

    Raises:
        DataError: the data can't be used.
        PluginError: the data set broke its contract.
    """
    from tlkit.data.prepare import open_few

    return open_few(data_settings(recipe), count, folder, progress)


def open_samples(recipe: Recipe) -> SampleSet:
    """List the samples of the recipe's data, and read none of them.

    Raises:
        DataError: the data set can't be opened.
        PluginError: the data set broke its contract.
    """
    from tlkit.data.prepare import open_samples

    return open_samples(data_settings(recipe))


def check_data(recipe: Recipe, progress: Progress | None = None, spread: SpreadFacts | None = None) -> Checked:
    """Check the files of the recipe's data, and decode nothing into a store: see ``tlkit.data.prepare.check_data``.

    Raises:
        DataError: the data set can't be opened.
        PluginError: the data set broke its contract.
    """
    from tlkit.data.prepare import check_data

    return check_data(data_settings(recipe), progress, spread)


def open_full_size(recipe: Recipe, samples: Path | None = None, progress: Progress | None = None) -> FullSize:
    """Open the recipe's data and split it, and decode nothing.

    Args:
        recipe: the recipe.
        samples: the ``samples.csv`` of a run whose splits to repeat; None for those of the recipe.
        progress: called with (done, total) files that are checked.

    Raises:
        DataError: the data can't be used.
        PluginError: the data set broke its contract.
    """
    from tlkit.data.prepare import open_full_size

    settings = data_settings(recipe)
    if samples is not None:
        settings = replace(settings, input=settings.input.model_copy(update={"samples": samples}))
    return open_full_size(settings, progress)


def data_settings(recipe: Recipe) -> DataSettings:
    """Return what a recipe says about its data."""
    from tlkit.data.settings import DataSettings

    return DataSettings(recipe.data, recipe.input, recipe.task, recipe.seed, recipe.check)


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


def reading(recipe: Recipe, data: Data) -> Reading:
    """Return how the recipe has files read, with the range of values of its data."""
    from tlkit.data.images.reading import Reading

    return Reading.of_recipe(recipe.input.model_copy(update={"value_range": data.value_range}))


def build_network(
    recipe: Recipe, classes: tuple[str, ...], label_kind: LabelKind, normalization: Normalization | None = None
) -> Network:
    """Build the recipe's network and load its weights.

    Raises:
        DataError: the images are too small for the backbone, or the weights don't fit it.
        PluginError: the backbone or the head broke its contract.
    """
    from tlkit.models.assemble import build_network
    from tlkit.models.tasks import learning_task

    units = learning_task(recipe.task, label_kind, len(classes)).units
    return build_network(
        recipe.backbone,
        recipe.head,
        HeadContext(recipe.task, classes, units, recipe.input.image_size, recipe.seed),
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
    if problem := phases_problem(phases, network.outline.names):
        raise PluginError(f'schedule "{schedule.record.name}": {problem}')
    return phases


def build_policies(recipe: Recipe, data: Data) -> tuple[Policy, ...]:
    """Build the recipe's augmentation policies."""
    from tlkit.data.feed.policies import build_policies

    return build_policies(recipe.augment, AugmentContext(recipe.task, recipe.input.image_size, len(data.classes)))


def make_training(
    recipe: Recipe,
    data: Data,
    network: Network,
    folder: RunFolder,
    reporter: Reporter,
    *,
    team: Team | None = None,
    **hooks: Any,
) -> Training:
    """Set up the recipe's training. Sets the global random seeds of Keras, NumPy and Python.

    Args:
        recipe: the recipe.
        data: the recipe's data.
        network: the recipe's network.
        folder: the run folder, for the history and the checkpoints.
        reporter: the console.
        team: the workers that train together; None: this process trains alone.
        hooks: ``callbacks``, ``phase_finished``, ``signals``, ``saving``, ``writes`` and ``cluster`` of ``Outlets``.

    Raises:
        RecipeError: the loss, a metric or the class weights are not valid.
    """
    import keras

    from tlkit.train.loop import Training
    from tlkit.train.outlets import Outlets

    keras.utils.set_random_seed(recipe.seed)
    setting = make_setting(recipe, data, network, build_policies(recipe, data))
    if team is not None:
        setting = replace(setting, team=team)
    return Training(setting, Outlets(folder, reporter, **hooks))


def make_setting(recipe: Recipe, data: Data, network: Network, policies: Sequence[Policy] = ()) -> Setting:
    """Return the network, data and settings of the recipe's training."""
    from tlkit.models.tasks import learning_task
    from tlkit.train.setting import Setting

    return Setting(
        network=network,
        data=data,
        targets=learning_task(recipe.task, data.label_kind, len(data.classes)),
        table=recipe.train,
        seed=recipe.seed,
        batch_size=recipe.input.batch_size,
        policies=policies,
        backbone=recipe.backbone.record.name,
        input_settings=_input_settings(recipe, data),
    )


def _input_settings(recipe: Recipe, data: Data) -> dict[str, Any]:
    """Return how files become images, for the key of cached features."""
    table = recipe.input.model_copy(update={"value_range": data.value_range})
    return table.model_dump(mode="json", include={"image_size", "resize", "value_range", "bands", "orientation"})


def with_range_of(recipe: T, card: Card) -> T:
    """Return the recipe of a run with the range of values that its model was trained on in place of ``"auto"``."""
    if recipe.input.value_range != "auto":
        return recipe
    return replace(recipe, input=recipe.input.model_copy(update={"value_range": card.value_range}))
