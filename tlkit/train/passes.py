"""``Passes``: one epoch of training steps, or one validation, over images or over cached features."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from tlkit.boundary.guard import owners
from tlkit.contracts import Phase, Split
from tlkit.data.feed.pipeline import Feed, batch_seeds, epoch_order
from tlkit.errors import PluginError, RunError
from tlkit.models.engines import TENSORFLOW
from tlkit.system.text import listed
from tlkit.train.feature_cache import FeatureCache
from tlkit.train.feature_feed import ComputedFeed, FeatureFeed
from tlkit.train.frozen_part import FrozenPart
from tlkit.train.outlets import Outlets
from tlkit.train.parts import ModelInParts
from tlkit.train.rates import LearningRate
from tlkit.train.setting import Setting
from tlkit.train.state import PhaseState
from tlkit.train.stopping import Stopping
from tlkit.train.team import Team
from tlkit.train.team_steps import make_steps


class Passes:
    """Passes of a phase over the training and the validation images.

    Args:
        setting: the network, data and settings of the training.
        outlets: shows progress, and may ask the run to stop.
        index: the index of the phase, part of the address of every random draw.
        phase: which layers train, and how.

    Attributes:
        rate: the learning rate of each step.
        steps: the compiled steps.
        stopping: whether a signal asked the run to stop.
        callbacks: a ``keras.callbacks.CallbackList``; set before the first pass.
        ended_with: the name of the engine with which the phase ended in another process, if it did.
    """

    def __init__(self, setting: Setting, outlets: Outlets, index: int, phase: Phase) -> None:
        self.setting = setting
        self.outlets = outlets
        self.index = index
        self.phase = phase
        self.stopping = Stopping(setting.team, outlets.signals)
        self.steps = make_steps(setting, phase, self.stopping)
        self.rate = LearningRate(phase, setting.steps_per_epoch)
        self.callbacks: Any = None
        self.ended_with: str | None = None
        self._applied: float | None = None
        self._cache: FeatureCache | None = None
        cut = None if setting.team.size == 1 else setting.team.rows
        self._images = Feed(setting.data, setting.batch_size, setting.policies, cut=cut)
        self._validation_images = Feed(setting.data, setting.batch_size, cut=cut)
        self._feed: Feed | FeatureFeed | ComputedFeed = self._images
        self._validation_feed: Feed | FeatureFeed | ComputedFeed = self._validation_images

    @property
    def cached(self) -> bool:
        """Whether the passes are over cached features instead of images."""
        return isinstance(self._feed, FeatureFeed)

    @property
    def engine(self) -> str | None:
        """The name of the engine that computes the frozen part; None where nothing is frozen."""
        return None if self.steps.frozen is None else self.steps.frozen.engine.name

    def use_features(self, own_folder: Path, before: PhaseState | None) -> None:
        """Pass over features of the frozen part instead of images: cached where that pays, else computed each time.

        Args:
            own_folder: a folder for features that no later run can use.
            before: how far the phase had come before the run was interrupted; None: it begins.

        Raises:
            RunError: the interrupted run had cached features, and they can't be cached again.
        """
        part = self.steps.frozen
        if part is None:
            self._say_cluster_idles("nothing is frozen")
        if part is None or not isinstance(self._feed, Feed):
            return
        self._cache = cache = self._feature_cache(part, own_folder)
        cache.choose_engine(None if before is None else before.engine or TENSORFLOW.name)
        feeds = cache.feeds(None if before is None else before.cached)
        if feeds is not None:
            self._feed, self._validation_feed = feeds
            return
        self._say_cluster_idles("the features are not cached")
        cache.make_ready()
        if part.engine != TENSORFLOW:  # whose operations the compiled steps have in them
            self._feed = ComputedFeed(self._images, part)
            self._validation_feed = ComputedFeed(self._validation_images, part)

    def _say_cluster_idles(self, reason: str) -> None:
        if self.outlets.cluster is not None:
            self.outlets.reporter.say(
                f"  note: the cluster computes nothing in this phase, because {reason}; its workers compute cached "
                "features (train.cache), and --workers trains on several"
            )

    def in_parts(self) -> ModelInParts | None:
        """Return the model in two parts, with cached features of the validation and test images where that pays.

        What these are depends on the recipe, the network and the engine of the phase, not on what this process has
        trained, so that a run that was interrupted before its evaluation gives the same numbers.

        Returns:
            None where nothing is frozen, or the frozen part is computed in less than float32.
        """
        setting, part, cache = self.setting, self.steps.frozen, self._cache
        if part is None:
            return None
        if cache is None:  # the phase ended in another process
            cache = replace(self._feature_cache(part, self.outlets.folder.path), team=Team.alone())
            cache.choose_engine(self.ended_with or TENSORFLOW.name)
        if part.engine.precision != "float32":
            return None
        cache = replace(cache, team=Team.alone())  # one worker evaluates
        splits: tuple[Split, ...] = ("validation", "test")
        rows = {split: setting.data.indices(split) for split in splits}
        found = [cache.kept(each, f"{split} features") for split, each in rows.items() if len(each)]
        kept = [each for each in found if each is not None]
        keep = setting.table.cache != "off"
        return ModelInParts(part, self.steps.live, setting.data, setting.batch_size, kept, cache.make_ready, keep=keep)

    def _feature_cache(self, part: FrozenPart, own_folder: Path) -> FeatureCache:
        return FeatureCache(
            setting=self.setting,
            part=part,
            feed=Feed(self.setting.data, self.setting.batch_size, self.setting.policies),
            index=self.index,
            epochs=self.phase.epochs,
            own_folder=own_folder,
            reporter=self.outlets.reporter,
            team=self.setting.team,
            cluster=self.outlets.cluster,
        )

    def train(self, epoch: int, start: int, after_step: Callable[[int, int], None]) -> tuple[float, np.ndarray]:
        """Train the steps of an epoch.

        Args:
            epoch: the number of the epoch, from 0.
            start: the first step to train.
            after_step: called after each step with the epoch and the number of steps done in it.

        Returns:
            The last step's learning rate and rows.

        Raises:
            RunError: the loss is not a finite number.
        """
        setting, reporter = self.setting, self.outlets.reporter
        order, seeds = self._draws(epoch)
        title = f"epoch {epoch + 1}/{self.phase.epochs}"
        reporter.begin(title, len(order))
        last = order[(setting.steps_per_epoch - 1) * setting.batch_size :]
        rate, size = self.rate.at(epoch, min(start, setting.steps_per_epoch - 1)), setting.batch_size
        self._check_rate()
        self._set_rate(rate)
        for step, batch in enumerate(self._feed.epoch(order, seeds, start=start, number=epoch), start):
            rate = self.rate.at(epoch, step)
            if rate != self._applied:
                self._set_rate(rate)
            self.callbacks.on_train_batch_begin(step)
            loss = float(self.steps.train(batch))
            if not math.isfinite(loss):
                rows = order[step * size : (step + 1) * size]
                raise self.diverged(epoch, step + 1, f"the loss is {loss}", rate, rows)
            self.callbacks.on_train_batch_end(step)
            self._check_rate()
            reporter.at(min((step + 1) * size, len(order)), len(order), title)
            after_step(epoch, step + 1)
        return rate, last

    def _set_rate(self, rate: float) -> None:
        self._applied = rate
        self.steps.optimizers.set_rate(rate)

    def _check_rate(self) -> None:
        """Check that callbacks left the learning rate as the schedule has it, and as ``metrics.csv`` says."""
        callbacks = self.callbacks.callbacks
        if not callbacks or self._applied is None:
            return
        for rate in self.steps.optimizers.rates():
            if rate and not math.isclose(rate, self._applied, rel_tol=1e-5):
                raise PluginError(
                    f"phase {self.phase.name}: a callback changed the learning rate from {self._applied:g} to "
                    f"{rate:g} (callbacks of {owners(callbacks)}). The schedule decides it: offer a tlkit.Schedule "
                    "whose phases have that rate or curve"
                )

    def validate(self) -> dict[str, float]:
        """Return the metrics of the validation images.

        Raises:
            Interrupted: a signal asked the run to stop.
        """
        metrics, callbacks = self.setting.validation_metrics, self.callbacks
        metrics.reset()
        callbacks.on_test_begin()
        for step, batch in enumerate(self._validation_feed.epoch(self.setting.validation_rows)):
            callbacks.on_test_batch_begin(step)
            self.steps.validate(batch)
            callbacks.on_test_batch_end(step)
            self.stopping.stop()
        values = metrics.result()
        callbacks.on_test_end(dict(values))
        return values

    def try_rates(self, rates: Sequence[float]) -> Iterator[float]:
        """Train one step at each learning rate, and yield its loss."""
        remaining = iter(rates)
        for epoch in count():
            for batch in self._feed.epoch(*self._draws(epoch)):
                rate = next(remaining, None)
                if rate is None:
                    return
                self.steps.optimizers.set_rate(rate)
                yield float(self.steps.train(batch))

    def diverged(self, epoch: int, step: int, problem: str, rate: float, rows: np.ndarray) -> RunError:
        """Return the error for a loss or weights that are not finite.

        Args:
            epoch: the number of the epoch, from 0.
            step: the number of the step, from 1.
            problem: what is not finite.
            rate: the step's learning rate.
            rows: int64 (n,), the images of the step.
        """
        samples = self.setting.data.samples
        names = listed([samples[int(row)].key for row in rows]) if samples else ""
        return RunError(
            f"phase {self.phase.name}, epoch {epoch + 1}, step {step}: {problem} at learning rate {rate:g}; lower the "
            f"schedule's learning rate, or look for images or labels out of range among the step's: {names}"
        )

    def _draws(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of an epoch in their order, and the seeds of its batches."""
        setting = self.setting
        order = epoch_order(setting.seed, self.index, epoch, len(setting.train_rows))
        return setting.train_rows[order], batch_seeds(setting.seed, self.index, epoch, setting.steps_per_epoch)
