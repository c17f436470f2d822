"""The ``[cluster]`` table of a recipe: which workers of a Ray cluster do the work, and what each is given."""

from __future__ import annotations

from pydantic import Field

from tlkit.contracts import Options


class ClusterTable(Options, defer_build=True):
    """``[cluster]``: the workers of a Ray cluster that do the work. They never change a result.

    It is used by the commands that have ``--cluster``, which wins over ``address``; without both, this process works
    alone. Needs the extra ``tlkit[cluster]``. Whether one training is divided between processes, ``tlkit run
    --workers N`` alone says, and never this table.
    """

    address: str | None = Field(
        None,
        min_length=1,
        max_length=250,
        description="local: the processors of this machine; auto: the cluster that this machine belongs to; or the "
        "address of a cluster, such as 10.0.0.1:6379; default: no cluster, unless --cluster names one",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="number of folds, trials or blocks of images at the same time, each in a worker of its own; "
        "default: as many as there is room for. One training takes as many as --workers says",
    )
    cpus: float = Field(1.0, gt=0, le=10_000, description="processors for a worker")
    gpus: float = Field(
        0.0, ge=0, le=1000, description="GPUs for a worker, such as 1, or 0.5 where two workers share one"
    )
    restarts: int = Field(
        2,
        ge=0,
        le=1000,
        description="how often the work of a worker that was killed or lost is begun again; with --workers, also "
        "without a cluster, how often a training goes on from its last checkpoint, unless --restarts says it",
    )
    patience: float = Field(
        600.0,
        ge=1,
        le=1_000_000,
        description="seconds after which a worker of a pass over images counts as hung that has read or computed no "
        "further image, or tile of one; or ten times the longest so far, if that is more",
    )
