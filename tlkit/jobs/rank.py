"""``tlkit.rank``: which backbone suits a recipe's images, by one pass of each over them and no training."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.errors import DataError
from tlkit.jobs.backbone_names import ALL_SMALL, Candidate, candidates
from tlkit.jobs.pooled_features import open_features
from tlkit.jobs.sampled_data import open_sampled
from tlkit.recipe.load import read_recipe
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.registry.discovery import registry_for_recipe
from tlkit.system.disk import temporary_folder
from tlkit.system.memory import explained_memory
from tlkit.system.progress import Reporter
from tlkit.system.tensorflow import start_tensorflow

if TYPE_CHECKING:
    import numpy as np

    from tlkit.data.run_data import Data
    from tlkit.evaluation.ranking import HeadScore

SAMPLE = 2000
"""The number of images that are used if there are more."""
_SEGMENTATION = (
    "a mask has no label for the whole image, so nothing that is known of a backbone's averaged features says how well "
    "a decoder would find pixels on it; expected a recipe for classification. To compare backbones for masks, train "
    "each for a few epochs: tlkit run RECIPE --set backbone.name=… --set schedule.epochs=3, then tlkit compare"
)


@dataclass(frozen=True)
class RankedBackbone:
    """How a backbone did.

    Args:
        title: its name, with the options that were named.
        score: the accuracy of a cross-validated linear head on its features, in 0-1; with several labels per image the
            micro-averaged F1.
        interval: the 95 % interval of the score over other images of the same kind; None with one group of images.
        told_apart: whether it is worse than the best one by more than other images of the same kind might change.
        logme: the log evidence of the labels per image (LogME, You et al. 2021); the higher, the better.
        seconds: the time for an image, in seconds.
        weights: the number of its weights.
        features: the number of its features, the channels of its last map.
        engine: what computed it: LiteRT, OpenVINO or TensorFlow.
        toml: the recipe's ``[backbone]`` as lines to paste.
    """

    title: str
    score: float
    interval: tuple[float, float] | None
    told_apart: bool
    logme: float
    seconds: float
    weights: int
    features: int
    engine: str
    toml: str


@dataclass(frozen=True)
class Ranking:
    """Backbones, the best first.

    Args:
        name: the recipe's name.
        metric: what ``score`` is: ``accuracy``, or ``micro_f1`` with several labels per image.
        images: the number of images.
        classes: the number of classes.
        backbones: the backbones, by their score.
        left_out: backbone → why it could not be tried.
        notes: remarks.
    """

    name: str
    metric: str
    images: int
    classes: int
    backbones: tuple[RankedBackbone, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> RankedBackbone:
        """The backbone with the highest score."""
        return self.backbones[0]

    @property
    def fastest(self) -> RankedBackbone:
        """The fastest of those that can't be told apart from the best."""
        return min((each for each in self.backbones if not each.told_apart), key=lambda each: each.seconds)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        backbones = [
            {
                "backbone": each.title,
                self.metric: each.score,
                "interval": None if each.interval is None else list(each.interval),
                "told_apart": each.told_apart,
                "logme": each.logme,
                "seconds_per_image": each.seconds,
                "weights": each.weights,
                "features": each.features,
                "engine": each.engine,
                "toml": each.toml,
            }
            for each in self.backbones
        ]
        return {
            "recipe": self.name,
            "images": self.images,
            "classes": self.classes,
            "backbones": backbones,
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }


def rank(
    recipe: str | Path | Mapping[str, Any],
    backbones: str | Sequence[str] = ALL_SMALL,
    overrides: Sequence[str] = (),
    *,
    sample: int = SAMPLE,
    registry: Registry | None = None,
    allow_plugins: bool = False,
    quiet: bool = False,
) -> Ranking:
    """Rank backbones for a recipe's images: one pass of each, LogME, and a cross-validated linear head. Nothing trains.

    Args:
        recipe: a recipe file, the name of a shipped recipe, or a recipe as nested dicts; for classification.
        backbones: ``"all-small"``, or backbones such as ``["MobileNetV2:alpha=0.35", "DenseNet121"]``.
        overrides: ``key=value`` as ``tlkit rank --set`` takes them.
        sample: the largest number of images to use, at least 2, taken from all classes in turn.
        registry: the plugins; None for the installed ones.
        allow_plugins: load the plugin files that the recipe names in its key ``plugins``. They are code.
        quiet: print nothing.

    Returns:
        the backbones, the best first. One whose weights are not here, or that the images are too small for, is in
        ``left_out`` with the reason.

    Raises:
        RecipeError: the recipe, a backbone or an option of one is not valid.
        DataError: the recipe is for segmentation, the data can't be used, or no backbone can.
        PluginError: the data set, a backbone or the head broke its contract.
        RunError: the memory is exhausted.
    """
    registry = registry_for_recipe(registry, allow_plugins=allow_plugins)
    with Reporter(quiet=quiet) as reporter:
        return rank_backbones(read_recipe(recipe, registry, overrides), backbones, registry, reporter, sample=sample)


@explained_memory("use fewer images (--sample), or a machine with more memory")
def rank_backbones(
    recipe: Recipe, backbones: str | Sequence[str], registry: Registry, reporter: Reporter, *, sample: int = SAMPLE
) -> Ranking:
    """Rank backbones as ``rank`` does.

    Args:
        recipe: the recipe.
        backbones: as of ``rank``.
        registry: the plugins.
        reporter: the console.
        sample: as of ``rank``.

    Raises:
        RecipeError, DataError, PluginError: as of ``rank``.
    """
    if recipe.task == "segmentation":
        raise DataError(f"tlkit rank: {_SEGMENTATION}")
    named = candidates(recipe, backbones, registry)
    with reporter.stage("starting TensorFlow"):
        start_tensorflow()
    with temporary_folder() as folder:
        with reporter.stage("reading images") as show:
            data, there = open_sampled(recipe, sample, folder, show)
        count = len(data.samples)
        reporter.say(f"{count:,} images, {len(data.classes)} classes, {len(named)} backbones")
        found: list[tuple[RankedBackbone, HeadScore]] = []
        left_out: dict[str, str] = {}
        for number, candidate in enumerate(named):
            try:
                found.append(_tried(candidate, data, folder / str(number), reporter))
            except DataError as error:
                left_out[candidate.title] = str(error)
                reporter.say(f"  left out: {error}")
    if not found:
        reasons = "".join(f"\n  {title}: {reason}" for title, reason in left_out.items())
        raise DataError(f"none of the backbones can be tried:{reasons}")
    notes = [] if there <= sample else [f"{count:,} of {there:,} images were used, taken from all classes in turn"]
    assert data.labels is not None
    metric = "accuracy" if data.labels.ndim == 1 else "micro_f1"
    ranked = _by_score(found, list(data.groups))
    return Ranking(recipe.name, metric, count, len(data.classes), ranked, left_out, (*notes, *data.notes))


def _tried(candidate: Candidate, data: Data, scratch: Path, reporter: Reporter) -> tuple[RankedBackbone, HeadScore]:
    """Compute the features of all images by a backbone, and say how good they are.

    Raises:
        DataError: its weights are not here, or the images are too small for it.
    """
    import keras

    from tlkit.evaluation.ranking import head_score

    reporter.say(f"{candidate.title}:")
    try:
        features, cost = _computed(candidate, data, scratch, reporter)
    finally:
        keras.backend.clear_session()
        gc.collect()
    assert data.labels is not None
    with reporter.stage("cross-validating a linear head"):
        head = head_score(features, data.labels, len(data.classes), data.groups, candidate.recipe.seed)
        interval, score = head.interval(data.groups), head.score() or 0.0
    reporter.say(f"  {score:.1%}, {1000 * cost.seconds:.1f} ms per image")
    ranked = RankedBackbone(
        title=candidate.title,
        score=score,
        interval=interval,
        told_apart=False,
        logme=head.logme,
        seconds=cost.seconds,
        weights=cost.weights,
        features=features.shape[1],
        engine=cost.engine,
        toml=candidate.toml,
    )
    return ranked, head


@dataclass(frozen=True)
class _Cost:
    """What a backbone takes: see ``RankedBackbone``."""

    seconds: float
    weights: int
    engine: str


def _computed(candidate: Candidate, data: Data, scratch: Path, reporter: Reporter) -> tuple[np.ndarray, _Cost]:
    """Return the features of all images by a backbone, which is not kept, and what it takes."""
    import numpy as np

    rows = np.arange(len(data.samples))
    backbone = open_features(candidate.recipe, data, len(rows), scratch, reporter)
    features = backbone.of(rows)
    return features, _Cost(backbone.seconds_per_image(rows), backbone.weight_count, backbone.engine)


def _by_score(
    found: Sequence[tuple[RankedBackbone, HeadScore]], groups: Sequence[str | None]
) -> tuple[RankedBackbone, ...]:
    """Return the backbones by their score, and say of each whether the best is better beyond doubt."""
    ordered = sorted(found, key=lambda each: (-each[0].score, each[0].seconds))
    best = ordered[0][1]
    return tuple(replace(each, told_apart=head is not best and head.is_behind(best, groups)) for each, head in ordered)
