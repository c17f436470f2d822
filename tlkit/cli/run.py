"""``tlkit run``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tlkit.cli.options import (
    PATH,
    cluster_option,
    profile_option,
    recipe_argument,
    refuse_gpus_of_workers,
    refuse_restarts_alone,
    set_option,
    workers_option,
)
from tlkit.cli.session import Session


@click.command()
@recipe_argument
@set_option
@click.option(
    "--out",
    type=PATH,
    metavar="FOLDER",
    help="The run folder to create.  [default: runs/<recipe>-<n>]",
)
@click.option("--folds", type=click.IntRange(min=2), metavar="N", help="Cross-validate with N folds, one run per fold.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Folds to run at the same time, with --folds on this machine.  [default: 1]",
)
@click.option(
    "--deterministic",
    is_flag=True,
    help="Use deterministic operations only: the same bits on the same machine, but slower.",
)
@workers_option(
    "Train on N processes that compute each step together: of this machine, or of --cluster.  [default: 1]",
    "Train on the first N GPUs of this machine, in one process.  [default: 1]",
)
@profile_option
@cluster_option
@click.pass_obj
def run(
    session: Session, /, recipe: Path, out: Path | None, *, folds: int | None, workers: int | None, **options: Any
) -> None:
    """Train and evaluate RECIPE, and write everything to a run folder.

    RECIPE is a TOML file, or the name of a recipe that comes with tlkit (tlkit recipes ls). The run checks the data,
    trains the phases of the schedule, evaluates the best weights on the validation and test images, and writes the
    model, its metrics and predictions, and report.html. Existing runs are never overwritten.

    Ctrl-C saves the state of the run; tlkit resume continues it.

    With --folds, each image that is not a test image validates in one of the folds. The folder has a run per fold,
    their results together, and is a model of its own: tlkit predict takes the mean of the folds' probabilities.
    With --cluster too, the folds run on the machines of a Ray cluster, which share the folder. With --cluster alone,
    they compute the features of the frozen part, and this process trains.

    With --workers, each process trains on its rows of every batch. A process that is killed, frozen or much slower than
    the others is noticed, and all go on from the last checkpoint. With --gpus, one process trains on several GPUs: each
    takes its rows of every batch.

    \b
    Examples:
      tlkit run quickstart
      tlkit run photos.toml --set schedule.epochs=30 --set head.dropout=0.4
      tlkit run photos.toml --folds 5 --jobs 2
      tlkit run photos.toml --folds 5 --cluster local
      tlkit run photos.toml --workers 2
    """
    deterministic = options["deterministic"]
    _refuse_contradictions(session, folds, workers, options)
    if folds is not None:
        from tlkit.jobs.folds.cross_validation import FoldOptions, cross_validate

        of_folds = FoldOptions(options["jobs"] or 1, deterministic, session.profile, session.cluster)
        cross_validate(recipe, folds, session.overrides, out, registry=session.registry, options=of_folds)
        return
    if workers is not None and workers > 1:
        from tlkit.jobs.workers.training import WorkerOptions, run_on_workers

        how = WorkerOptions(workers, options["restarts"], deterministic, session.profile, cluster=session.cluster)
        run_on_workers(recipe, session.overrides, out, how, registry=session.registry)
        return
    from tlkit.jobs.run import run as run_recipe

    run_recipe(
        recipe,
        session.overrides,
        out,
        registry=session.registry,
        deterministic=deterministic,
        profile=session.profile,
        cluster=session.cluster,
        gpus=options["gpus"] or 1,
    )


def _refuse_contradictions(session: Session, folds: int | None, workers: int | None, options: dict[str, Any]) -> None:
    """Refuse options that contradict each other, or would do nothing.

    Raises:
        click.UsageError: there are some.
    """
    if folds is not None and workers is not None:
        raise click.UsageError("--folds and --workers contradict each other: --jobs N runs N folds at the same time")
    if options["jobs"] is not None and folds is None:
        raise click.UsageError("--jobs is the number of folds to run at the same time; give --folds N, too")
    if options["jobs"] is not None and session.cluster is not None:
        raise click.UsageError(
            "--jobs and --cluster contradict each other: a cluster runs as many folds as it has room"
        )
    refuse_restarts_alone(options["restarts"], workers)
    refuse_gpus_of_workers(options["gpus"], workers)
    if folds is not None and options["gpus"] is not None:
        raise click.UsageError("--folds and --gpus contradict each other: each fold trains on one GPU")
