"""Try one backbone on a recipe's images, for ``tlkit rank``: in this process, or in a worker of a cluster."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.cluster.ray_cluster import ClusterOptions, announced
from tlkit.errors import DataError
from tlkit.jobs.backbone_names import Candidate
from tlkit.jobs.folds.commands import fold_command
from tlkit.jobs.pooled_features import open_features
from tlkit.jobs.sampled_data import open_sampled
from tlkit.recipe.load import parse_recipe
from tlkit.recipe.portable import portable_text
from tlkit.recipe.sweep_space import without_tables
from tlkit.registry import VARIABLE, Registry
from tlkit.registry.discovery import OWN_PLUGINS, registry_of_parent
from tlkit.system.disk import temporary_folder
from tlkit.system.from_parent import ALLOWED_BY_PARENT
from tlkit.system.progress import Reporter
from tlkit.system.tensorflow import start_tensorflow

if TYPE_CHECKING:
    import numpy as np

    from tlkit.data.run_data import Data
    from tlkit.evaluation.ranking import HeadScore


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


Tried = tuple[RankedBackbone, "HeadScore"] | DataError
"""How good the features of a backbone are; or why it can't be tried."""


@dataclass(frozen=True)
class _Part:
    """What a worker is told, so that it tries a backbone on the same images.

    Args:
        title: the title of the backbone.
        table: its table.
        recipe: the text of the recipe that has it.
        sample: the largest number of images.
        files: the plugin files to load.
        environment: the variables that choose the plugins.
    """

    title: str
    table: Mapping[str, Any]
    recipe: str
    sample: int
    files: Sequence[Path]
    environment: Mapping[str, str]


def tried_here(candidate: Candidate, data: Data, scratch: Path, reporter: Reporter) -> Tried:
    """Return how good the features of a backbone are, or why it can't be tried: see ``_tried``."""
    reporter.say(f"{candidate.title}:")
    try:
        found = _tried(candidate, data, scratch, reporter)
    except DataError as error:
        return error
    reporter.say(_outcome(found[0]))
    return found


def _outcome(found: RankedBackbone) -> str:
    return f"  {found.score:.1%}, {1000 * found.seconds:.1f} ms per image"


def tried_on_cluster(
    named: Sequence[Candidate], sample: int, registry: Registry, options: ClusterOptions, reporter: Reporter
) -> Iterator[Tried]:
    """Yield how good the features of backbones are as ``tried_here`` does, in their order, each tried by a worker.

    Args:
        named: the backbones.
        sample: the largest number of images, which each worker reads from the data's folder or the cache.
        registry: the plugins.
        options: the cluster.
        reporter: the console.

    Raises:
        DataError: the cluster can't be used.
        PluginError: a plugin exists only in this process.
        RunError: a worker was lost too often.
    """
    command = fold_command(registry, registry, deterministic=False)
    files = tuple(Path(each) for each in command.plugins if each not in ("--plugin", "--no-plugins"))
    chosen = {VARIABLE: OWN_PLUGINS} if "--no-plugins" in command.plugins else command.environment
    environment = {name: text for name, text in chosen.items() if text is not None}
    parts = [
        _Part(each.title, each.table, without_tables(portable_text(each.recipe), "cluster"), sample, files, environment)
        for each in named
    ]
    with announced(options, reporter.say) as cluster:
        for part, found in zip(parts, cluster.run(_in_worker, parts, ahead=len(parts)), strict=True):
            reporter.say(f"{part.title}:")
            if not isinstance(found, DataError):
                reporter.say(_outcome(found[0]))
            yield found


def _in_worker(part: _Part) -> Tried:
    """Try a backbone in a worker."""
    allowed = part.environment.get(ALLOWED_BY_PARENT, "").split(",")
    registry = registry_of_parent(part.files, part.environment, allowed)
    recipe = parse_recipe(part.recipe, registry)
    start_tensorflow()
    with temporary_folder() as folder, Reporter(quiet=True) as reporter:
        data, _ = open_sampled(recipe, part.sample, folder, lambda _done, _total: None)
        scratch = folder / "features"
        return tried_here(Candidate(part.title, part.table, recipe), data, scratch, reporter)


def _tried(candidate: Candidate, data: Data, scratch: Path, reporter: Reporter) -> tuple[RankedBackbone, HeadScore]:
    """Compute the features of all images by a backbone, and say how good they are.

    Raises:
        DataError: its weights are not here, or the images are too small for it.
    """
    import keras

    from tlkit.evaluation.ranking import head_score

    try:
        features, cost = _computed(candidate, data, scratch, reporter)
    finally:
        keras.backend.clear_session()
        gc.collect()
    assert data.labels is not None
    with reporter.stage("cross-validating a linear head"):
        head = head_score(features, data.labels, len(data.classes), data.groups, candidate.recipe.seed)
        interval, score = head.interval(data.groups), head.score() or 0.0
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
