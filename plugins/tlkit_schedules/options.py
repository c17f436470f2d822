"""The options of each schedule."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

import tlkit

Rate = Annotated[float, Field(gt=0, le=10)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]

_OPTIMIZER = "a Keras optimizer by name, or a table with its name and arguments"
_CURVE = "learning-rate curve: constant, cosine, step or plateau, or a table with its name and options"
_EARLY_STOP = "a patience in epochs, or a table with patience and min_delta; none: as set in [train]"
_BATCH_NORM = (
    "BatchNormalization layers in trained blocks: frozen keeps statistics and parameters, statistics keeps only the "
    "statistics, train keeps neither; none: frozen for a pretrained backbone, otherwise train"
)
_UNFREEZE_FROM = 'first block that trains; "last": the last stage; "all": every block'
_MOMENTUM = tlkit.Optimizer.model_validate({"name": "sgd", "momentum": 0.9})


class SinglePhaseOptions(tlkit.Options, defer_build=True):
    """Options of schedules with a single phase."""

    epochs: Epochs = Field(20, description="maximum number of epochs")
    optimizer: tlkit.AnyOptimizer = Field(tlkit.Optimizer(), description=_OPTIMIZER)
    learning_rate: Rate = Field(1e-3, description="highest learning rate")
    curve: tlkit.AnyCurve = Field(tlkit.Constant(), description=_CURVE)
    early_stop: tlkit.AnyEarlyStop | None = Field(None, description=_EARLY_STOP)


class FrozenOptions(SinglePhaseOptions):
    """Options of ``frozen``."""

    epochs: Epochs = Field(10, description="maximum number of epochs")


class FullOptions(SinglePhaseOptions):
    """Options of ``full``."""

    batch_norm: tlkit.BatchNormPolicy | None = Field(None, description=_BATCH_NORM)


class FromScratchOptions(SinglePhaseOptions):
    """Options of ``from_scratch``."""

    epochs: Epochs = Field(100, description="maximum number of epochs")
    optimizer: tlkit.AnyOptimizer = Field(_MOMENTUM, description=_OPTIMIZER)
    learning_rate: Rate = Field(0.1, description="highest learning rate")
    curve: tlkit.AnyCurve = Field(tlkit.Cosine(name="cosine", warmup_epochs=5), description=_CURVE)


class StepDecayOptions(tlkit.Options, defer_build=True):
    """Options of ``step_decay``; the defaults are those of He et al. 2016 (arXiv:1603.05027) for CIFAR."""

    epochs: Epochs = Field(150, description="maximum number of epochs")
    optimizer: tlkit.AnyOptimizer = Field(_MOMENTUM, description=_OPTIMIZER)
    learning_rate: Rate = Field(0.1, description="learning rate of the first epochs")
    at: tuple[Annotated[int, Field(ge=1)], ...] = Field((80, 120), description="epochs after which the rate drops")
    factor: float = Field(0.1, gt=0, lt=1, description="factor applied to the rate at each drop")
    early_stop: tlkit.AnyEarlyStop | None = Field(None, description=_EARLY_STOP)


class HeadFirstOptions(tlkit.Options, defer_build=True):
    """Options of schedules that train the head alone before any block of the backbone."""

    head_epochs: Epochs = Field(5, description="maximum number of epochs of the head alone")
    learning_rate: Rate = Field(1e-3, description="highest learning rate while the head trains alone")
    finetune_learning_rate: Rate = Field(1e-4, description="highest learning rate after that")
    optimizer: tlkit.AnyOptimizer = Field(tlkit.Optimizer(), description=_OPTIMIZER)
    curve: tlkit.AnyCurve = Field(tlkit.Constant(), description=_CURVE)
    batch_norm: tlkit.BatchNormPolicy | None = Field(None, description=_BATCH_NORM)
    early_stop: tlkit.AnyEarlyStop | None = Field(None, description=_EARLY_STOP)


class TwoPhaseOptions(HeadFirstOptions):
    """Options of ``two_phase``."""

    finetune_epochs: Epochs = Field(10, description="maximum number of epochs of head and unfrozen blocks")
    unfreeze_from: str = Field("last", min_length=1, description=_UNFREEZE_FROM)
    finetune_learning_rate: Rate = Field(1e-5, description="highest learning rate of the second phase")
    finetune_optimizer: tlkit.AnyOptimizer | None = Field(
        None, description="optimizer of the second phase; none: the same as in the first, with fresh state"
    )
    curve: tlkit.AnyCurve = Field(tlkit.Constant(), description=f"first phase: {_CURVE}")
    finetune_curve: tlkit.AnyCurve = Field(tlkit.Constant(), description=f"second phase: {_CURVE}")


class GradualOptions(HeadFirstOptions):
    """Options of ``gradual_unfreeze``."""

    unfreeze_to: str = Field(
        "all", min_length=1, description='block at which unfreezing ends; "all": the first; "last": the last stage'
    )
    blocks_per_step: int = Field(1, ge=1, description="blocks to unfreeze per step")
    step_epochs: Epochs = Field(2, description="maximum number of epochs per step")
    decay: float = Field(1.0, gt=0, le=1, description="learning rate of a step, relative to the step before it")


class DiscriminativeOptions(HeadFirstOptions):
    """Options of ``discriminative``."""

    finetune_epochs: Epochs = Field(10, description="maximum number of epochs of head and unfrozen blocks")
    unfreeze_from: str = Field("all", min_length=1, description=_UNFREEZE_FROM)
    decay: float = Field(
        1 / 2.6, gt=0, le=1, description="learning rate of a block, relative to the next block toward the output"
    )


class ProbeOptions(HeadFirstOptions):
    """Options of ``linear_probe_then_full``."""

    head_epochs: Epochs = Field(20, description="maximum number of epochs of the head alone")
    finetune_epochs: Epochs = Field(10, description="maximum number of epochs of the whole network")
    finetune_learning_rate: Rate = Field(1e-5, description="highest learning rate of the whole network")
