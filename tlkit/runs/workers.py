"""``workers.json``: the processes that trained a run together, how fast each was, and which were lost."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tlkit.errors import RunError
from tlkit.runs.folder import RunFolder

_Text = Annotated[str, Field(max_length=400)]
_Count = Annotated[int, Field(ge=0)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TrainedWorker(BaseModel):
    """A worker of a training.

    Args:
        rank: its number; 0 is the chief, which wrote the run folder.
        host: the name of its machine.
        devices: what it computed on, as text.
        threads: the threads that computed a step; 0 if TensorFlow decided.
        images: the images that it trained on, each counted in each epoch.
        computing: seconds of the training in which it did not wait for others.
        waiting: seconds of the training in which it waited for others, or exchanged with them.
    """

    model_config = ConfigDict(frozen=True)

    rank: _Count
    host: _Text
    devices: _Text
    threads: _Count
    images: _Count
    computing: _Seconds
    waiting: _Seconds

    @property
    def speed(self) -> float | None:
        """Images a second while it computed; None if it trained on none."""
        return self.images / self.computing if self.images and self.computing > 0 else None


class TrainedWorkers(BaseModel):
    """The workers of the last command that trained a run.

    Args:
        workers: all of them, by their numbers.
        losses: a sentence for each worker that was lost, after which all started again from a checkpoint.
    """

    model_config = ConfigDict(frozen=True)

    workers: Annotated[list[TrainedWorker], Field(max_length=100_000)]
    losses: Annotated[list[_Text], Field(max_length=10_000)] = []


def write_workers(folder: RunFolder, workers: TrainedWorkers) -> None:
    """Write ``workers.json``."""
    folder.write_json(folder.workers_table, workers.model_dump())


def read_workers(folder: RunFolder) -> TrainedWorkers | None:
    """Read ``workers.json``; None if one process trained the run.

    Raises:
        RunError: the file is damaged.
    """
    if not folder.workers_table.is_file():
        return None
    try:
        return TrainedWorkers.model_validate(folder.read_json(folder.workers_table))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{folder.workers_table}: {where}: {first['msg']}; the file is damaged: remove it") from error
