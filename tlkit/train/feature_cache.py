"""Cached features of a phase: which sets there are, where they are cached, and whether that pays."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlkit.data.feed.pipeline import Feed, batch_seeds
from tlkit.errors import RunError
from tlkit.system.cache import features_folder, limit, make_room
from tlkit.system.progress import Reporter
from tlkit.system.text import size_text
from tlkit.train.cache_plan import make_plan
from tlkit.train.feature_feed import FeatureFeed
from tlkit.train.feature_set import FeatureSet, features_key
from tlkit.train.frozen_part import FrozenPart
from tlkit.train.setting import Setting


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
    """

    setting: Setting
    part: FrozenPart
    feed: Feed
    index: int
    epochs: int
    own_folder: Path
    reporter: Reporter

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
        try:
            if decided is None and not self._pays([*trained, *validated], folder):
                return None
            self._fill(trained, validated, shared=folder != self.own_folder)
        except OSError as error:
            self.reporter.end()
            reason = f"{error.filename or folder}: {error.strerror or error}"
            if decided:
                raise RunError(f"the features that this run trains on can't be cached: {reason}; make room") from error
            self._say_not_cached(reason)
            return None
        size = self.feed.batch_size
        return FeatureFeed(setting.data, size, trained), FeatureFeed(setting.data, size, validated)

    def _say_not_cached(self, reason: str) -> None:
        self.reporter.say(f"  features are not cached: {reason}")

    @property
    def _views(self) -> int:
        return self.setting.table.views if self.setting.policies else 1

    def _folder(self) -> Path:
        """Return the folder that later runs share, or the phase's own where that one can't be used."""
        images = self._views * len(self.setting.train_rows) + len(self.setting.validation_rows)
        size = self.part.bytes_per_image * images
        folder, allowed = features_folder(), limit()
        reason = f"they take {size_text(size)}, but tlkit cache limit allows {size_text(allowed)}"
        if size <= allowed:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = f"{error.filename or folder}: {error.strerror or error}"
            else:
                return folder
        self.reporter.say(f"  features are not cached for later runs: {reason}")
        return self.own_folder

    def _pays(self, sets: Sequence[FeatureSet], folder: Path) -> bool:
        setting = self.setting
        plan = make_plan(
            self.part,
            sets,
            folder,
            setting.table,
            images=len(setting.train_rows) + len(setting.validation_rows),
            epochs=self.epochs,
            augmented=bool(setting.policies),
        )
        self.reporter.say(f"  {plan.reason}")
        return plan.use

    def _fill(self, trained: Sequence[FeatureSet], validated: Sequence[FeatureSet], *, shared: bool) -> None:
        """Compute what is missing of the sets; remove those that a full disk left unfinished."""
        sets = [*trained, *validated]
        if shared:
            make_room(self.part.bytes_per_image * sum(each.missing for each in sets))
        for number, each in enumerate(sets):
            title = self._title(number, len(trained))
            self.reporter.begin(title, len(each.rows))
            try:
                each.fill(lambda done, total, title=title: self.reporter.at(done, total, title))  # type: ignore[misc]
            except OSError:
                for unfinished in sets[number:]:
                    shutil.rmtree(unfinished.folder, ignore_errors=True)
                raise
            self.reporter.end()

    def _title(self, number: int, trained: int) -> str:
        if number >= trained:
            return "validation features"
        return "features" if trained == 1 else f"features, view {number + 1} of {trained}"

    def _sets(self, root: Path) -> tuple[list[FeatureSet], list[FeatureSet]]:
        """Return the sets of the training images, one per view, and the set of the validation images, if any."""
        setting = self.setting
        views = range(self._views) if setting.policies else (None,)
        validated = [self._set(root, setting.validation_rows, None)] if len(setting.validation_rows) else []
        return [self._set(root, setting.train_rows, view) for view in views], validated

    def _set(self, root: Path, rows: np.ndarray, view: int | None) -> FeatureSet:
        """Return the set of some images as augmented in a view; None: not augmented."""
        setting, size = self.setting, self.feed.batch_size
        about = f"{setting.backbone}, {len(rows)} images"
        if view is None:
            folder = root / features_key(self.part, setting.data, rows, setting.input_settings)
            feed = Feed(setting.data, size)
            return FeatureSet(folder, self.part, feed, rows, None, with_targets=False, about=about)
        seeds = batch_seeds(setting.seed, self.index, view, -(-len(rows) // size))
        folder = self.own_folder / str(view)
        if all(policy.key is not None for policy in setting.policies):
            augmentation = {
                "policies": [policy.key for policy in setting.policies],
                "draws": hashlib.sha256(seeds.tobytes()).hexdigest(),
                "batch_size": size,
            }
            folder = root / features_key(self.part, setting.data, rows, {**setting.input_settings, **augmentation})
        about += f", {', '.join(policy.name for policy in setting.policies)}, view {view + 1}"
        return FeatureSet(folder, self.part, self.feed, rows, seeds, with_targets=True, about=about)
