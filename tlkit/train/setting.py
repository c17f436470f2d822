"""The network, data and settings of a training; no phase changes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tlkit.data.feed.policies import Policy
from tlkit.data.run_data import Data
from tlkit.models.assemble import Network
from tlkit.models.losses import BatchLoss, class_weights
from tlkit.models.metrics import MetricSet
from tlkit.models.tasks import LearningTask
from tlkit.recipe.monitor import Monitor, choose_monitor
from tlkit.recipe.schema import TrainTable
from tlkit.train.team import Team


@dataclass(frozen=True)
class Setting:
    """The network, data and settings of a training.

    Args:
        network: the network to train.
        data: its training split trains the network, its validation split measures it.
        targets: what the logits are compared with.
        table: the recipe's ``[train]``.
        seed: the run's seed.
        batch_size: the number of images per step.
        policies: the recipe's augmentation, built.
        backbone: the backbone's name.
        input_settings: how files become images; part of the key of cached features.
        team: the workers that train together.

    Raises:
        RecipeError: a property raises it where the recipe's loss, a metric, the monitor or the class weights are wrong.
    """

    network: Network
    data: Data
    targets: LearningTask
    table: TrainTable
    seed: int
    batch_size: int
    policies: Sequence[Policy]
    backbone: str
    input_settings: Mapping[str, Any] = field(default_factory=dict)
    team: Team = field(default_factory=Team.alone)

    @cached_property
    def train_rows(self) -> np.ndarray:
        """The rows of the training images, int64 (N,)."""
        return self.data.indices("train")

    @cached_property
    def validation_rows(self) -> np.ndarray:
        """The rows of the validation images, int64 (N,); empty without validation."""
        return self.data.indices("validation")

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps per epoch; the last batch may be smaller."""
        return math.ceil(len(self.train_rows) / self.batch_size)

    @cached_property
    def loss(self) -> BatchLoss:
        """The loss of a training batch, class weights included."""
        balanced = self.table.class_weights == "balanced"
        counts = self.data.class_counts("train") if balanced else np.ones(len(self.data.classes))
        weights = class_weights(self.table.class_weights, self.data.classes, counts)
        return BatchLoss(self.targets, self.table.loss, weights)

    @cached_property
    def plain_loss(self) -> BatchLoss:
        """The loss of a validation batch, without class weights."""
        return BatchLoss(self.targets, self.table.loss)

    @cached_property
    def train_metrics(self) -> MetricSet:
        """The metrics of an epoch's training batches."""
        return MetricSet(self.targets, self.table.metrics)

    @cached_property
    def validation_metrics(self) -> MetricSet:
        """The metrics of a validation."""
        return MetricSet(self.targets, self.table.metrics)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The metrics of an epoch, in order; those of validation begin with ``val_``."""
        validated = self.validation_metrics.names if len(self.validation_rows) else ()
        return (*self.train_metrics.names, *(f"val_{name}" for name in validated))

    @cached_property
    def monitor(self) -> Monitor:
        """The column that decides on best weights, early stop and plateau."""
        return choose_monitor(self.table, self.targets.task, self.columns)
