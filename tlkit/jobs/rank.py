"""``tlkit.rank``: which backbone suits a recipe's images, by one pass of each over them and no training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.cluster.ray_cluster import cluster_options, reachable
from tlkit.errors import DataError
from tlkit.jobs.backbone_names import ALL_SMALL, candidates
from tlkit.jobs.rank_one import RankedBackbone, Tried, tried_here, tried_on_cluster
from tlkit.jobs.sampled_data import open_sampled
from tlkit.recipe.load import read_recipe
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.registry.discovery import registry_for_recipe
from tlkit.system.disk import temporary_folder
from tlkit.system.memory import explained_memory
from tlkit.system.progress import Reporter
from tlkit.system.tensorflow import start_tensorflow
from tlkit.system.text import counted

if TYPE_CHECKING:
    from tlkit.evaluation.ranking import HeadScore

SAMPLE = 2000
"""The number of images that are used if there are more."""
_SEGMENTATION = (
    "a mask has no label for the whole image, so nothing that is known of a backbone's averaged features says how well "
    "a decoder would find pixels on it; expected a recipe for classification. To compare backbones for masks, train "
    "each for a few epochs: tlkit run RECIPE --set backbone.name=… --set schedule.epochs=3, then tlkit compare"
)


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
    recipe: Recipe,
    backbones: str | Sequence[str],
    registry: Registry,
    reporter: Reporter,
    *,
    sample: int = SAMPLE,
    cluster: str | None = None,
) -> Ranking:
    """Rank backbones as ``rank`` does.

    Args:
        recipe: the recipe.
        backbones: as of ``rank``.
        registry: the plugins.
        reporter: the console.
        sample: as of ``rank``.
        cluster: the cluster that computes them, a backbone in each worker: ``local``, ``auto`` or its address; None for
            that of the recipe's table ``[cluster]``, if any.

    Raises:
        RecipeError, DataError, PluginError: as of ``rank``.
    """
    if recipe.task == "segmentation":
        raise DataError(f"tlkit rank: {_SEGMENTATION}")
    named = candidates(recipe, backbones, registry)
    chosen = reachable(cluster_options(cluster, recipe.cluster))
    with reporter.stage("starting TensorFlow"):
        start_tensorflow()
    with temporary_folder() as folder:
        with reporter.stage("reading images") as show:
            data, there = open_sampled(recipe, sample, folder, show)
        count = len(data.samples)
        sizes = {"image": count, "class": len(data.classes), "backbone": len(named)}
        reporter.say(", ".join(counted(number, what) for what, number in sizes.items()))
        tried: Iterator[Tried]
        if chosen is None:
            tried = (tried_here(each, data, folder / str(number), reporter) for number, each in enumerate(named))
        else:
            tried = tried_on_cluster(named, sample, registry, chosen, reporter)
        found: list[tuple[RankedBackbone, HeadScore]] = []
        left_out: dict[str, str] = {}
        for candidate, outcome in zip(named, tried, strict=True):
            if isinstance(outcome, DataError):
                left_out[candidate.title] = str(outcome)
                reporter.say(f"  left out: {outcome}")
            else:
                found.append(outcome)
    if not found:
        reasons = "".join(f"\n  {title}: {reason}" for title, reason in left_out.items())
        raise DataError(f"none of the backbones can be tried:{reasons}")
    notes = [] if there <= sample else [f"{count:,} of {there:,} images were used, taken from all classes in turn"]
    assert data.labels is not None
    metric = "accuracy" if data.labels.ndim == 1 else "micro_f1"
    ranked = _by_score(found, list(data.groups))
    return Ranking(recipe.name, metric, count, len(data.classes), ranked, left_out, (*notes, *data.notes))


def _by_score(
    found: Sequence[tuple[RankedBackbone, HeadScore]], groups: Sequence[str | None]
) -> tuple[RankedBackbone, ...]:
    """Return the backbones by their score, and say of each whether the best is better beyond doubt."""
    ordered = sorted(found, key=lambda each: (-each[0].score, each[0].seconds))
    best = ordered[0][1]
    return tuple(replace(each, told_apart=head is not best and head.is_behind(best, groups)) for each, head in ordered)
