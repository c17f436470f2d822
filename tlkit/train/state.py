"""What a checkpoint holds besides its arrays: the JSON file that every run folder has for it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tlkit.contracts import EarlyStop


class WatchState(BaseModel):
    """The state of a ``Watch``.

    Args:
        best_value, best_epoch: the phase's best value and its epoch, from 0; -1 for the weights it began with.
        stop, plateau: best value and epochs waited, for early stop and plateau; None if the phase has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    best_value: float | None
    best_epoch: int
    stop: tuple[float | None, int] | None
    plateau: tuple[float | None, int] | None


class PhaseState(BaseModel):
    """How far a phase has come.

    Args:
        epoch: the epoch in progress, from 0; the phase's number of epochs when all are done.
        step: the next step of that epoch.
        stopped: whether the phase ended early.
        cached: whether it trains on cached features.
        engine: the engine that computes its frozen part; None where nothing is frozen, and in checkpoints of older
            versions, which had only TensorFlow.
        plateau_factor: the factor that a plateau has put on the learning rate.
        watch: what decides on best weights, early stop and plateau.
        rows: the metrics of its epochs.
        before: the digests of all variables when it began.
        callbacks: the plain attributes of each callback.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    step: int
    stopped: bool
    cached: bool
    engine: str | None = None
    plateau_factor: float
    watch: WatchState
    rows: list[dict[str, float]]
    before: dict[str, str]
    callbacks: list[dict[str, Any]]


class Planned(BaseModel):
    """The settings of a phase that may change when a run is resumed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int
    early_stop: EarlyStop | None


class State(BaseModel):
    """Everything in a checkpoint but its arrays.

    Args:
        number: the checkpoint's number; later ones have higher numbers.
        phase: the index of the phase; the number of phases when all are done.
        inside: how far that phase has come; None before it begins.
        epochs_done: the number of epochs done in all phases.
        best_metrics: the metrics of the weights with which the last phase ended.
        best_epoch: their epoch, counted from 1 over all phases.
        monitor: the column that chose that epoch.
        initial: the digests of the variables as they were built.
        history, times, freeze: the texts of ``metrics.csv``, ``times.csv`` and ``freeze.csv``.
        engine: the engine of the phase that has just ended, with which the run is evaluated; None where nothing was
            frozen, within a phase, and in checkpoints of older versions.
        planned: the phases for which the checkpoint was written, since the recipe in the folder may have changed;
            None in checkpoints of older versions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    format: Literal[1] = 1
    number: int
    phase: int
    inside: PhaseState | None
    epochs_done: int
    # The keys in the file are those of tlkit 0.1.0.
    best_metrics: dict[str, float] = Field(alias="kept")
    best_epoch: int = Field(alias="kept_epoch")
    monitor: str
    initial: dict[str, str]
    history: str
    times: str
    freeze: str
    engine: str | None = None
    planned: list[Planned] | None = None

    def text(self) -> str:
        """Return the state as JSON; ``model_validate_json`` reads it."""
        return self.model_dump_json(by_alias=True)
