"""Cached features of a phase: which sets there are, where they are cached, and whether that pays."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tlkit.cluster.options import ClusterOptions
from tlkit.data.feed.pipeline import Feed, batch_seeds
from tlkit.data.store.shards import unusable_note
from tlkit.errors import RunError
from tlkit.models.engines import TENSORFLOW
from tlkit.system.cache import features_folder, limit, make_room, mark_used
from tlkit.system.progress import Reporter
from tlkit.system.text import time_text
from tlkit.train.cache_plan import make_plan, worth_reading
from tlkit.train.feature_batches import Compute
from tlkit.train.feature_feed import FeatureFeed
from tlkit.train.feature_folder import common_folder
from tlkit.train.feature_keys import features_key, targets_digest
from tlkit.train.feature_set import FeatureSet
from tlkit.train.frozen_engine import COMPARED, choose_engine, make_ready
from tlkit.train.frozen_part import FrozenPart
from tlkit.train.repeats import digests
from tlkit.train.setting import Setting
from tlkit.train.spread_features import computing_on, worth_joining
from tlkit.train.team import Team

_Sets = tuple[list[FeatureSet], list[FeatureSet]]
"""The sets of the training images, one per view, and that of the validation images, if any."""


@dataclass(frozen=True)
class FeatureCache:
    """The cached features of a phase's frozen part.

    Args:
        setting: the network, data and settings of the training.
        part: the frozen part.
        feed: the feed of the training images, augmented.
        index: the index of the phase.
        epochs: the largest number of epochs of the phase.
        own_folder: a folder for features that no later run can use; the caller removes it.
        reporter: shows what is cached, and why.
        team: the workers that compute the features together.
        cluster: whose workers compute what is missing; None: this process does.
    """

    setting: Setting
    part: FrozenPart
    feed: Feed
    index: int
    epochs: int
    own_folder: Path
    reporter: Reporter
    team: Team = field(default_factory=Team.alone)
    cluster: ClusterOptions | None = None

    def feeds(self, decided: bool | None) -> tuple[FeatureFeed, FeatureFeed] | None:
        """Compute the features of training and validation images, where caching them pays.

        Args:
            decided: what was decided before the run was interrupted; None to decide now.

        Returns:
            The feeds of both; None: features are not cached.

        Raises:
            RunError: the interrupted run had cached features, and they can't be cached again.
        """
        if decided is False:
            return None
        setting = self.setting
        if setting.table.cache == "off":
            self._say_not_cached("train.cache is off")
            return None
        if setting.targets.task == "segmentation" and any(policy.mixes for policy in setting.policies):
            self._say_not_cached("mixed masks would take too much room")
            return None
        folder = self._folder()
        trained, validated = self._sets(folder)
        if self.team.any(any(each.missing for each in (*trained, *validated))):
            engine = self.part.engine
            self.make_ready()
            if self.part.engine != engine:
                trained, validated = self._sets(folder)
        try:
            if decided is None and not self._pays([*trained, *validated], folder):
                return None
            with self.reporter.stage("computing features"):
                trained, validated = _read(self, lambda: self._sets(folder), (trained, validated))
                self._fill(trained, validated, shared=folder != self.own_folder)
        except OSError as error:
            reason = f"{error.filename or folder}: {error.strerror or error}"
            if decided or self.team.size > 1:  # whose other workers would wait for these features
                raise RunError(f"the features that this run trains on can't be cached: {reason}; make room") from error
            self._say_not_cached(reason)
            return None
        size, cut = self.feed.batch_size, None if self.team.size == 1 else self.team.rows
        return FeatureFeed(setting.data, size, trained, cut=cut), FeatureFeed(setting.data, size, validated, cut=cut)

    def choose_engine(self, before: str | None) -> None:
        """Choose the engine of the frozen part.

        Args:
            before: the engine with which the phase began before it was interrupted; None: it begins.
        """
        setting = self.setting
        images = self._views * len(setting.train_rows) + len(setting.validation_rows)
        chosen = choose_engine(setting.table, self.part, images, before)
        name = self.team.told(chosen.name)
        self.part.use(chosen if name == chosen.name else choose_engine(setting.table, self.part, images, name))

    def make_ready(self) -> None:
        """Make the frozen part ready to compute, and compare its engine with TensorFlow on the first images."""
        setting = self.setting
        images = setting.data.store.images[setting.train_rows[:COMPARED]]
        chosen = self.part.engine
        make_ready(self.part, images, self.reporter.say, keep=setting.table.cache != "off")
        if self.team.any(self.part.engine != chosen):
            self.part.use(TENSORFLOW)

    def kept(self, rows: np.ndarray, title: str, *, compute: bool = True) -> FeatureSet | None:
        """Return the cached features of images that are not augmented; those that are missing are computed.

        Args:
            rows: int64 (N,), the images, N at least 1.
            title: what to call them while they are computed.
            compute: whether to compute those that are missing; without it, None is returned where any is.

        Returns:
            None where caching them does not pay, there is no room for them, or none that outlives the phase.
        """
        table, size = self.setting.table, self.part.bytes_per_image * len(rows)
        if table.cache == "off" or (table.cache == "auto" and not worth_reading(self.part)):
            return None
        folder = features_folder()
        if self._folder(quietly=True) != folder or size > min(table.cache_budget * 1e9, limit()):
            return None

        def plain() -> tuple[list[FeatureSet], list[FeatureSet]]:
            return [self._plain_set(folder, rows)], []

        there = plain()
        if there[0][0].missing and not compute:
            return None
        [found], _ = _read(self, plain, there)
        if self.part.bytes_per_image * found.missing > 0.9 * shutil.disk_usage(folder).free:
            return None
        try:
            self._make_room([found])
            with computing_on(self.cluster, self.part, worth_joining(found.missing), self.reporter.say) as computed:
                self._compute(found, title, computed)
        except OSError:
            self.reporter.end()
            shutil.rmtree(found.folder, ignore_errors=True)
            return None
        return found

    def _say_not_cached(self, reason: str) -> None:
        self.reporter.say(f"  features are not cached: {reason}")

    @property
    def _views(self) -> int:
        return self.setting.table.views if self.setting.policies else 1

    def _folder(self, *, quietly: bool = False) -> Path:
        images = self._views * len(self.setting.train_rows) + len(self.setting.validation_rows)
        say = (lambda _note: None) if quietly else self.reporter.say
        return common_folder(self.part.bytes_per_image * images, self.own_folder, self.team, say)

    def _pays(self, sets: Sequence[FeatureSet], folder: Path) -> bool:
        augmented = bool(self.setting.policies)
        plan = make_plan(self.part, sets, folder, self.setting.table, epochs=self.epochs, augmented=augmented)
        self.reporter.say(f"  {plan.reason}")
        return bool(self.team.told("yes" if plan.use else ""))

    def _fill(self, trained: Sequence[FeatureSet], validated: Sequence[FeatureSet], *, shared: bool) -> None:
        """Compute what is missing of the sets; remove those that a full disk left unfinished."""
        sets, began, computed = [*trained, *validated], time.monotonic(), 0
        if shared:
            self._make_room(sets)
        if any(each.missing for each in trained) and self._repeat():
            for number, each in enumerate(trained):
                each.copy_from(trained[:number])
        with computing_on(self.cluster, self.part, sum(each.missing for each in sets), self.reporter.say) as compute:
            for number, each in enumerate(sets):
                try:
                    computed += self._compute(each, _title(number, len(trained)), compute)
                except OSError:
                    for unfinished in sets[number:]:
                        shutil.rmtree(unfinished.folder, ignore_errors=True)
                    raise
        for note in unusable_note("cached features", "computed", [each for found in sets for each in found.unusable]):
            self.reporter.say(f"  {note}")
        copied = sum(each.copied for each in sets)
        if copied:
            self.reporter.say(
                f"  {copied:,} of {computed:,} images have the pixels of an earlier view; not computed again"
            )
        if computed:
            seconds = time.monotonic() - began
            passed = self.epochs * (len(self.setting.train_rows) + len(self.setting.validation_rows))
            self.reporter.say(
                f"  computed in {time_text(seconds)}; without the cache, the frozen part would take about "
                f"{time_text(seconds * passed / computed)}"
            )

    def _make_room(self, sets: Sequence[FeatureSet]) -> None:
        for each in sets:
            mark_used(each.folder)
        if self.team.chief:
            make_room(self.part.bytes_per_image * sum(each.missing for each in sets))

    def _compute(self, features: FeatureSet, title: str, compute: Compute | None = None) -> int:
        """Compute what is missing of a set, and return the number of images whose features were computed."""
        with self.reporter.stage("computing features", len(features.rows)):
            return features.fill(lambda done, total: self.reporter.at(done, total, title), self.team, compute)

    def _sets(self, root: Path) -> tuple[list[FeatureSet], list[FeatureSet]]:
        """Return the sets of the training images, one per view, and the set of the validation images, if any."""
        setting = self.setting
        validated = [self._plain_set(root, setting.validation_rows)] if len(setting.validation_rows) else []
        if not setting.policies:
            return [self._plain_set(root, setting.train_rows)], validated
        targets = targets_digest(setting.data, setting.train_rows)
        return [self._augmented_set(root, view, targets) for view in range(self._views)], validated

    def _repeat(self) -> bool:
        """Return whether an image of the first batch has the same pixels in two views, and so the same features."""
        setting, size = self.setting, self.feed.batch_size
        mixes = any(policy.mixes for policy in setting.policies)
        if mixes or not setting.policies or self._views < 2 or not self.part.engine.computes_alone:
            return False
        found = []
        for view in range(2):
            seeds = batch_seeds(setting.seed, self.index, view, setting.steps_per_epoch)
            batch = next(self.feed.epoch(setting.train_rows[:size], seeds[:1]))
            found.append(digests(batch["images"]))
        return bool((found[0] == found[1]).all(1).any())

    def _plain_set(self, root: Path, rows: np.ndarray) -> FeatureSet:
        """Return the set of some images that are not augmented, computed in batches of a fixed size."""
        setting, size = self.setting, self.part.batch_size
        batch = {} if self.part.engine.computes_alone else {"batch_size": size}
        key = self.team.told(features_key(self.part, setting.data, rows, {**setting.input_settings, **batch}))
        about = f"{setting.backbone}, {len(rows)} images"
        feed = Feed(setting.data, size)
        return FeatureSet(root / key, self.part, feed, rows, None, key=key, about=about)

    def _augmented_set(self, root: Path, view: int, targets: str) -> FeatureSet:
        """Return the set of the training images as augmented in a view.

        Args:
            root: the folder of all sets.
            view: the number of the view.
            targets: the digest of the training images' targets, which are cached with the features.
        """
        setting, size, rows = self.setting, self.feed.batch_size, self.setting.train_rows
        seeds = batch_seeds(setting.seed, self.index, view, -(-len(rows) // size))
        augmentation = {
            "policies": [policy.key for policy in setting.policies],
            "draws": hashlib.sha256(seeds.tobytes()).hexdigest(),
            "batch_size": size,
            "targets": targets,
        }
        key = self.team.told(features_key(self.part, setting.data, rows, {**setting.input_settings, **augmentation}))
        reusable = all(policy.key is not None for policy in setting.policies)
        folder = root / key if reusable else self.own_folder / str(view)
        names = ", ".join(policy.name for policy in setting.policies)
        about = f"{setting.backbone}, {len(rows)} images, {names}, view {view + 1}"
        return FeatureSet(folder, self.part, self.feed, rows, seeds, key=key, about=about)


def _title(number: int, trained: int) -> str:
    if number >= trained:
        return "validation features"
    return "features" if trained == 1 else f"features, view {number + 1} of {trained}"


def _read(cache: FeatureCache, make: Callable[[], _Sets], sets: _Sets) -> _Sets:
    """Read sets of features through, and make the frozen part ready to compute what is missing or damaged.

    Args:
        cache: the cached features of the phase.
        make: makes the sets of the engine that computes, if that is another than before.
        sets: the sets of the engine that was chosen.
    """
    engine = cache.part.engine
    for each in (*sets[0], *sets[1]):
        each.read()
    if cache.team.any(any(each.missing for each in (*sets[0], *sets[1]))):
        cache.make_ready()
    return sets if cache.part.engine == engine else make()
