"""From a phase's frozen part to feeds of features: which sets, where they are kept, and whether that pays."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.contracts import Task
from tlkit.data.feed.pipeline import Feed, batch_seeds
from tlkit.data.feed.policies import Policy
from tlkit.data.run_data import Data
from tlkit.errors import RunError
from tlkit.recipe.schema import TrainTable
from tlkit.system.cache import features_folder, limit, make_room
from tlkit.system.progress import Reporter
from tlkit.train.features import FeatureFeed, FeatureSet, FrozenPart, amount, features_key, make_plan


@dataclass(frozen=True)
class Keeping:
    """A phase that may train on features.

    Args:
        part: its frozen part.
        feed: of the training images, augmented.
        data: of the run.
        task: of the recipe.
        policies: the augmentation.
        table: the recipe's ``[train]``.
        seed: of the run.
        phase: index of the phase.
        epochs: of the phase, at the most.
        backbone: its name.
        settings: how files become images.
        own: a folder for features that no later run can use; removed by who asks.
        reporter: told what is done and why.
    """

    part: FrozenPart
    feed: Feed
    data: Data
    task: Task
    policies: Sequence[Policy]
    table: TrainTable
    seed: int
    phase: int
    epochs: int
    backbone: str
    settings: Mapping[str, Any]
    own: Path
    reporter: Reporter

    def feeds(self, decided: bool | None) -> tuple[FeatureFeed, FeatureFeed] | None:
        """Compute the frozen part's features, of training and validation images, where that pays.

        Args:
            decided: what was decided before the run was interrupted; None to decide now.

        Returns:
            feeds of them; None: they are not kept.

        Raises:
            RunError: the interrupted run had kept them, and that is no longer possible.
        """
        if decided is False:
            return None
        if self.table.cache == "off":
            self._not_kept("train.cache is off")
            return None
        if self.task == "segmentation" and any(policy.mixes for policy in self.policies):
            self._not_kept("mixed masks would take too much room")
            return None
        folder = self._folder()
        trained, held = self._sets(folder)
        sets = [*trained, *held]
        unfinished: Sequence[FeatureSet] = ()
        try:
            if decided is None:
                plan = make_plan(
                    self.part,
                    sets,
                    images=len(self._rows) + len(self._held_rows),
                    epochs=self.epochs,
                    views=self._views,
                    setting=self.table.cache,
                    budget=self.table.cache_budget * 1e9,
                    folder=folder,
                    augmented=bool(self.policies),
                )
                self.reporter.say(f"  {plan.reason}")
                if not plan.use:
                    return None
            if folder != self.own:
                make_room(self.part.bytes_an_image * sum(each.missing for each in sets))
            for number, each in enumerate(sets):
                unfinished = sets[number:]
                self._fill(each, self._title(number, len(trained)))
        except OSError as error:
            self.reporter.end()
            for each in unfinished:
                shutil.rmtree(each.folder, ignore_errors=True)
            reason = f"{error.filename or folder}: {error.strerror or error}"
            if decided:
                raise RunError(f"the features that this run trains on can't be kept: {reason}; make room") from error
            self._not_kept(reason)
            return None
        size = self.feed.batch_size
        return FeatureFeed(self.data, size, trained), FeatureFeed(self.data, size, held)

    def _not_kept(self, reason: str) -> None:
        self.reporter.say(f"  features are not kept: {reason}")

    @property
    def _views(self) -> int:
        return self.table.views if self.policies else 1

    @property
    def _rows(self) -> np.ndarray:
        return self.data.indices("train")

    @property
    def _held_rows(self) -> np.ndarray:
        return self.data.indices("validation")

    def _folder(self) -> Path:
        """Where features go: to those that are kept for later runs, if there they may and can."""
        size = self.part.bytes_an_image * (self._views * len(self._rows) + len(self._held_rows))
        folder, most = features_folder(), limit()
        reason = f"they take {amount(size)}, but tlkit cache limit allows {most / 1e9:g} GB"
        if size <= most:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = f"{error.filename or folder}: {error.strerror or error}"
            else:
                return folder
        self.reporter.say(f"  features are not kept for later runs: {reason}")
        return self.own

    def _fill(self, features: FeatureSet, title: str) -> None:
        self.reporter.begin(title, len(features.rows))
        features.fill(lambda done, total: self.reporter.at(done, total, title))
        self.reporter.end()

    def _title(self, number: int, trained: int) -> str:
        if number >= trained:
            return "validation features"
        return "features" if trained == 1 else f"features, view {number + 1} of {trained}"

    def _sets(self, root: Path) -> tuple[list[FeatureSet], list[FeatureSet]]:
        """Those of the training images, a set a view, and those of the validation images, if there are any."""
        views = range(self._views) if self.policies else (None,)
        held = [self._set(root, self._held_rows, None)] if len(self._held_rows) else []
        return [self._set(root, self._rows, view) for view in views], held

    def _set(self, root: Path, rows: np.ndarray, view: int | None) -> FeatureSet:
        about = f"{self.backbone}, {len(rows)} images"
        if view is None:
            folder = root / features_key(self.part, self.data, rows, self.settings)
            feed = Feed(self.data, self.feed.batch_size)
            return FeatureSet(folder, self.part, feed, rows, None, with_targets=False, about=about)
        seeds = batch_seeds(self.seed, self.phase, view, -(-len(rows) // self.feed.batch_size))
        folder = self.own / str(view)
        if all(policy.key is not None for policy in self.policies):
            augmentation = {
                "policies": [policy.key for policy in self.policies],
                "draws": hashlib.sha256(seeds.tobytes()).hexdigest(),
                "batch_size": self.feed.batch_size,
            }
            folder = root / features_key(self.part, self.data, rows, {**self.settings, **augmentation})
        about += f", {', '.join(policy.name for policy in self.policies)}, view {view + 1}"
        return FeatureSet(folder, self.part, self.feed, rows, seeds, with_targets=True, about=about)
