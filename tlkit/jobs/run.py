"""``tlkit.run``: a new run, from its recipe to its report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tlkit.cluster.ray_cluster import ClusterOptions, cluster_options, reachable
from tlkit.cluster.tasks import WorkerLostError
from tlkit.errors import TlkitError
from tlkit.jobs import finish, from_recipe, stages
from tlkit.jobs.finish import RunResult
from tlkit.jobs.job import Job, open_job
from tlkit.jobs.member import Member
from tlkit.recipe.load import read_recipe
from tlkit.recipe.portable import portable_text
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.registry.discovery import registry_for_recipe
from tlkit.runs.folder import RunFolder, create_run_folder
from tlkit.runs.lock import locked
from tlkit.system.disk import FailedDiskError, FullDiskError
from tlkit.system.gpus import refuse_missing_gpus
from tlkit.system.signals import Interrupted
from tlkit.system.tensorflow_start import TensorFlowStart


def run(
    recipe: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    *,
    registry: Registry | None = None,
    quiet: bool = False,
    deterministic: bool = False,
    allow_plugins: bool = False,
    profile: bool = False,
    cluster: str | ClusterOptions | None = None,
    gpus: int = 1,
) -> RunResult:
    """Run a recipe: read the data, build the model, train its phases, evaluate it, write the run folder.

    Args:
        recipe: a recipe file, the name of a shipped recipe, or the recipe as nested dicts.
        overrides: ``key=value`` as ``tlkit run --set`` takes them.
        out: the run folder to create; None for ``runs/<recipe>-<n>``.
        registry: the plugins, such as ``tlkit.plugins("my_head.py")``; None for the installed ones.
        quiet: print nothing.
        deterministic: have TensorFlow use deterministic operations only, in this process from now on; slower.
        allow_plugins: load the plugin files that the recipe names in its key ``plugins``. They are code.
        profile: write where the time went to ``profile.csv`` and the report, and print it at the end.
        cluster: have the workers of a Ray cluster compute the features of the frozen part, as of ``load``, where they
            are cached and LiteRT or OpenVINO computes them; None for that of the recipe's table ``[cluster]``, if any.
            The features are the same as without.
        gpus: on how many GPUs of this machine to train; each computes its rows of every batch.

    Returns:
        the run folder and the final metrics.

    Raises:
        RecipeError: the recipe is not valid.
        DataError: the data or the weights can't be used.
        PluginError: a plugin broke its contract.
        RunError: the run folder can't be used, there are fewer GPUs, or training failed.
        BusyError: another process works in the run folder.
        FullDiskError: the disk has no room for a file of the run folder.
        Interrupted: by SIGINT, SIGTERM or SIGHUP, which are handled during the run; a checkpoint was written.
    """
    registry = registry_for_recipe(registry, allow_plugins=allow_plugins)
    checked = read_recipe(recipe, registry, overrides)
    refuse_missing_gpus(gpus)
    places = reachable(cluster_options(cluster, checked.cluster))
    # Before TensorFlow starts, which takes seconds: the folder may exist.
    folder = create_run_folder(checked.name, None if out is None else Path(out))
    with locked(folder.path), removed_if_untrained(folder):
        from_recipe.refuse_missing_files(checked)
        from_recipe.refuse_missing_engine(checked, overrides)
        member = Member(gpus=gpus, cluster=places)
        with open_job(checked, registry, folder, overrides, quiet=quiet, profile=profile, member=member) as job:
            return _run(job, deterministic)


def run_as_member(
    recipe: Recipe,
    overrides: Sequence[str],
    member: Member,
    *,
    registry: Registry,
    deterministic: bool = False,
    profile: bool = False,
) -> RunResult:
    """Run a recipe as one of several workers.

    Args:
        recipe: the recipe, overrides applied.
        overrides: the overrides, to which problems of the recipe may point.
        member: which of the workers this is; its run folder exists.
        registry: the plugins.
        deterministic: as for ``run``.
        profile: as for ``run``, of the chief's time.

    Raises:
        Exception: as for ``run``.
    """
    assert member.run is not None
    with locked(member.run.path) if member.chief else nullcontext():
        folder = member.own_folder(member.run)
        with open_job(recipe, registry, folder, overrides, profile=profile and member.chief, member=member) as job:
            return _run(job, deterministic)


def _run(job: Job, deterministic: bool) -> RunResult:
    folder = job.folder
    job.say(f"Run folder: {folder.path}")
    if job.recipe.sweep is not None:
        job.note("[sweep] is for tlkit sweep; this run trains the recipe as it is")

    def begin() -> None:
        job.member.use_gpus()
        folder.write_json(folder.environment, stages.describe_environment(job))
        # Written last: a folder with a recipe can be resumed, which needs to know the environment that it started in.
        folder.write_recipe(portable_text(job.recipe))

    with job.scratch_folder() as scratch:
        # TensorFlow takes seconds to start; files are checked and decoded without it.
        with TensorFlowStart(deterministic=deterministic, then=begin) as tensorflow:
            data = stages.read_data(job, scratch, tensorflow.check)
            with job.reporter.stage("starting TensorFlow"), job.signals.not_lost():
                tensorflow.wait()
        stages.join_workers(job)
        data.write_samples_csv(folder.samples)
        if data.checked is not None:
            stages.write_check(job, data.checked)
        stages.describe_data(job, data)
        network = stages.build_network(job, data)
        plan = stages.Plan(data, network, stages.plan_phases(job.recipe, network))
        stages.note_long_warmups(job, plan.phases)
        stages.compare_workers(job, plan)
        training = finish.prepare_training(job, plan)
        return finish.train_and_finish(job, plan, training)


@contextmanager
def removed_if_untrained(folder: RunFolder) -> Iterator[None]:
    """Remove a new run folder if the run fails before training: it holds nothing that the user had or could use.

    One that is interrupted stays if it can be resumed.
    """
    try:
        yield
    except Interrupted as stopped:
        if not folder.recipe.exists():
            shutil.rmtree(folder.path, ignore_errors=True)
            stopped.args = (f"{stopped} The run had not begun; {folder.path} was removed",)
        raise
    except (FullDiskError, FailedDiskError, WorkerLostError):
        raise
    except TlkitError:
        if not folder.history.exists():
            shutil.rmtree(folder.path, ignore_errors=True)
        raise
