"""``tlkit resume``."""

from __future__ import annotations

from pathlib import Path

import click

from tlkit.cli.options import (
    cluster_option,
    profile_option,
    refuse_gpus_of_workers,
    refuse_restarts_alone,
    run_argument,
    set_option,
    workers_option,
)
from tlkit.cli.session import Session


@click.command()
@run_argument
@set_option
@workers_option(
    "Go on with N processes that train together.  [default: as many as trained the run before]",
    "Go on with N GPUs in one process.  [default: as many as before]",
)
@profile_option
@cluster_option
@click.pass_obj
def resume(session: Session, run: Path, workers: int | None, restarts: int | None, gpus: int | None) -> None:
    """Continue the interrupted run or sweep in the folder RUN, or extend a finished one.

    A resumed run ends with the same weights as an uninterrupted one. --set can change the number of epochs and the
    early stop of the phase in progress, or of the last phase of a finished run. --workers may change the number of
    processes that train, with which the last bits of the weights change. Everything else stays as it is.

    \b
    Examples:
      tlkit resume runs/photos-1
      tlkit resume runs/photos-1 --set schedule.epochs=30
      tlkit resume runs/photos-1 --workers 4
      tlkit resume runs/photos-sweep-1 --set sweep.trials=40
    """
    from tlkit.runs.sweeps import SweepFolder

    refuse_gpus_of_workers(gpus, workers)
    if SweepFolder(run).recipe.is_file():
        from tlkit.jobs.sweep.search import sweep

        if any(each is not None for each in (workers, restarts, gpus)):
            raise click.UsageError(f"--workers, --restarts and --gpus are for runs; {run} is the folder of a sweep")
        sweep(run, session.overrides, registry=session.registry, cluster=session.cluster)
        return
    from tlkit.jobs.workers.count import workers_of

    workers = workers or (workers_of(run) if gpus is None else 1)
    refuse_restarts_alone(restarts, workers)
    if workers > 1:
        from tlkit.jobs.workers.training import WorkerOptions, resume_on_workers

        options = WorkerOptions(workers, restarts, profile=session.profile, cluster=session.cluster)
        resume_on_workers(run, session.overrides, options, registry=session.registry)
        return
    from tlkit.jobs.resume import resume as resume_run

    resume_run(
        run,
        session.overrides,
        registry=session.registry,
        profile=session.profile,
        gpus=gpus,
        cluster=session.cluster,
    )
