"""The ``[track]`` table of a recipe: where a run is recorded besides its own folder."""

from __future__ import annotations

from pydantic import Field

from tlkit.contracts import Options


class TrackTable(Options, defer_build=True):
    """``[track]``: trackers that record a run beside its own folder. They never change a result."""

    tensorboard: bool = Field(
        False,
        description="write losses, metrics and the learning rate of each epoch, and at the end the final metrics and "
        "pictures, to the folder tensorboard in the run folder; tensorboard --logdir shows them",
    )
    mlflow: bool = Field(
        False,
        description="record the recipe, the metrics and the files of the run with MLflow, of the extra tlkit[mlflow]: "
        "at the server that the environment variable MLFLOW_TRACKING_URI names, otherwise in the folder mlruns beside "
        "the run folder",
    )
    experiment: str | None = Field(
        None,
        min_length=1,
        max_length=250,
        description="the MLflow experiment that the run belongs to; default: the environment variable "
        "MLFLOW_EXPERIMENT_NAME, otherwise the recipe's name",
    )
