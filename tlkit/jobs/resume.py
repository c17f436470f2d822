"""``tlkit.resume``: the rest of an interrupted run, or more epochs of a finished one."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from tlkit.cluster.ray_cluster import ClusterOptions, cluster_options, reachable
from tlkit.errors import RecipeError, RunError
from tlkit.jobs import finish, from_recipe, stages
from tlkit.jobs.changed_run import compare_environment, compare_samples, edited, gpus_of
from tlkit.jobs.damaged_products import damaged_products
from tlkit.jobs.finish import RunResult
from tlkit.jobs.job import Job, open_job
from tlkit.jobs.member import WHO_TRAINS, Member
from tlkit.jobs.resume_point import check_changes, checkpoint_to_resume
from tlkit.recipe.check_table import for_resume
from tlkit.recipe.load import locate
from tlkit.recipe.portable import portable_text
from tlkit.recipe.schema import Recipe
from tlkit.registry import Registry
from tlkit.registry.discovery import registry_for_recipe
from tlkit.runs.checksums import remove_checksums
from tlkit.runs.folder import RunFolder
from tlkit.runs.folds import FoldsFolder
from tlkit.runs.lock import locked
from tlkit.runs.plugins import load_run_recipe
from tlkit.runs.secrets import without_secrets
from tlkit.runs.sweeps import SweepFolder
from tlkit.system.gpus import refuse_missing_gpus
from tlkit.system.tensorflow import start_tensorflow

if TYPE_CHECKING:
    from tlkit.contracts import Phase
    from tlkit.train.checkpoint import Checkpoint


class Where(TypedDict, total=False):
    """Where a run goes on: the arguments of ``resume`` that say it."""

    gpus: int | None
    cluster: str | ClusterOptions | None


def resume(
    run_folder: str | Path,
    overrides: Sequence[str] = (),
    *,
    registry: Registry | None = None,
    quiet: bool = False,
    allow_plugins: bool = False,
    profile: bool = False,
    **where: Unpack[Where],
) -> RunResult:
    """Continue an interrupted run from its last checkpoint, to the same bits as an uninterrupted run.

    Args:
        run_folder: the folder of the run.
        overrides: ``key=value``; the number of epochs and the early stop of the phase in progress, or of the last
            phase of a finished run, may change.
        registry: the plugins; None for the installed ones.
        quiet: print nothing.
        allow_plugins: load the plugin files that the run's recipe names in its key ``plugins``. They are code.
        profile: write where the time went, as for ``run``; a run that was begun with it always does.
        where: ``gpus``: on how many GPUs to train, as for ``run``; None, or left out, for as many as before.
            ``cluster``: whose workers compute the features of the frozen part, as for ``run``.

    Returns:
        the run folder and the final metrics.

    Raises:
        RecipeError: an override is not valid, or can't change in a run that has started.
        RunError: this is not a run folder, or the data or the network that the run started with has changed.
        DataError, PluginError, BusyError, FullDiskError, Interrupted: as for ``run``.
    """
    if unknown := set(where) - Where.__annotations__.keys():
        raise TypeError(f"resume() got an unexpected keyword argument {min(unknown)!r}")
    return resume_as_member(
        run_folder,
        overrides,
        Member(gpus=where.get("gpus")),
        registry=registry_for_recipe(registry, allow_plugins=allow_plugins),
        quiet=quiet,
        profile=profile,
        cluster=where.get("cluster"),
    )


def expect_run(folder: RunFolder) -> None:
    """Check that a folder is that of a run that can be resumed.

    Raises:
        RunError: it is not, or there are links in it.
    """
    if not folder.path.is_dir():
        raise RunError(f"{folder.path}: no such run folder; expected the folder that tlkit run printed")
    if not folder.recipe.is_file():
        if SweepFolder(folder.path).recipe.is_file():
            raise RunError(f"{folder.path}: is the folder of a sweep; expected a run. tlkit.sweep(folder) continues it")
        folds = f" with --folds and --out {folder.path}" if FoldsFolder(folder.path).count else ""
        raise RunError(f"{folder.path}: has no {folder.recipe.name}: nothing to resume; use tlkit run{folds}")
    folder.refuse_links()


def resume_as_member(
    run_folder: str | Path,
    overrides: Sequence[str],
    member: Member,
    *,
    registry: Registry,
    quiet: bool = False,
    profile: bool = False,
    cluster: str | ClusterOptions | None = None,
) -> RunResult:
    """Continue a run as one of several workers, or as the only one.

    Args:
        run_folder: the folder of the run.
        overrides: as for ``resume``.
        member: which of the workers this is.
        registry: the plugins.
        quiet: print nothing.
        profile: as for ``resume``.
        cluster: as for ``resume``, of the only one.

    Raises:
        Exception: as for ``resume``.
    """
    folder = RunFolder(Path(run_folder))
    if member.chief:
        expect_run(folder)
    with locked(folder.path) if member.chief else nullcontext():
        original = load_run_recipe(folder, registry)
        recipe = load_run_recipe(folder, registry, overrides)
        try:
            check_changes(original, recipe)
        except RecipeError as error:
            raise RecipeError(locate(error.problems, folder.recipe, overrides)) from error
        recipe = replace(recipe, check=for_resume(recipe.check))
        from_recipe.refuse_missing_files(recipe)
        from_recipe.refuse_missing_engine(recipe, overrides)
        environment = folder.read_json(folder.environment) if folder.environment.is_file() else {}
        changed = edited(folder, original, environment)
        environment = environment if isinstance(environment, dict) else {}
        deterministic = bool(environment.get("op_determinism"))
        if member.gpus is None:
            member.gpus = gpus_of(environment)
        if member.alone:
            refuse_missing_gpus(member.gpus)
            member.cluster = reachable(cluster_options(cluster, recipe.cluster))
        own, profile = member.own_folder(folder), profile and member.chief
        with open_job(recipe, registry, own, overrides, quiet=quiet, profile=profile, member=member) as job:
            job.say(f"Run folder: {folder.path}")
            with job.reporter.stage("starting TensorFlow"), job.signals.not_lost():
                start_tensorflow(deterministic=deterministic)
                member.use_gpus()
            for key, (before, now) in changed.items():
                job.note(f"{key} is {now} in {folder.recipe.name}; the run recorded {before} when it began")
            return _resume(job, original)


def _resume(job: Job, original: Recipe) -> RunResult:
    """Continue a run.

    Args:
        job: the run, with the recipe to continue with.
        original: the recipe in the run folder.
    """
    folder = job.folder
    compare_environment(job)
    checkpoints = _read_checkpoints(job)
    if job.member.alone and not checkpoints and folder.model.is_file() and folder.metrics.is_file():
        return _leave_finished(job, original)
    with job.scratch_folder() as scratch:
        data = stages.read_data(job, scratch)
        stages.join_workers(job)
        data = compare_samples(job, data)
        check_exists = all((folder.path / name).is_file() for name in ("check.json", "check.html"))
        if data.checked is not None and not check_exists:
            stages.write_check(job, data.checked)
        stages.describe_data(job, data)
        network = stages.build_network(job, data)
        plan = stages.Plan(data, network, stages.plan_phases(job.recipe, network))
        checkpoint = checkpoint_to_resume(
            stages.plan_phases(original, network), plan.phases, checkpoints, job.recipe, job.note
        )
        stages.compare_workers(job, plan)
        team = job.member.team
        team.same("none" if checkpoint is None else str(checkpoint.state.number), "the newest intact checkpoint")
        # The chief decides: it alone has the products in its folder.
        if team.any(job.member.chief and checkpoint is not None and _is_finished(job, plan, checkpoint)):
            if not job.member.chief:
                return RunResult(folder.path, {})
            return _tell_again(job, f"The run is already finished; nothing to do. Open {folder.report} in a browser.")
        training = finish.prepare_training(job, plan, new=False)
        _mark_unfinished(job)
        if checkpoint is None:
            job.say("  no checkpoint yet: training starts from the beginning")
        else:
            job.say(f"Continuing from checkpoint {checkpoint.state.number}: {_position(checkpoint, plan.phases)}")
        return finish.train_and_finish(job, plan, training, checkpoint)


def _read_checkpoints(job: Job) -> list[Checkpoint]:
    """Return the run's intact checkpoints, newest first."""
    from tlkit.train.checkpoint import clean, read_checkpoints

    folder = (job.member.run or job.folder).checkpoints
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if job.member.chief:
        clean(folder)
    return read_checkpoints(folder, job.note)


def _leave_finished(job: Job, original: Recipe) -> RunResult:
    """Leave a finished run without checkpoints as it is: starting it again would cost the model."""
    folder = job.folder
    reason = f"{folder.checkpoints}: no checkpoint to continue from, and the run is finished"
    if job.recipe.values != original.values:
        raise RunError(f"{reason}; it can't be changed any more. Start a new run: tlkit run {folder.recipe}")
    return _tell_again(job, f"{reason}; nothing to do. tlkit report {folder.path} rewrites its report.")


def _tell_again(job: Job, text: str) -> RunResult:
    """Say why nothing is done, and tell plugins again that the run is finished: a tracker may have missed it."""
    job.say(text, gap=True)
    metrics = job.folder.read_json(job.folder.metrics)
    finish.run_finished(job, metrics)
    return RunResult(job.folder.path, metrics)


def _is_finished(job: Job, plan: stages.Plan, checkpoint: Checkpoint) -> bool:
    """Return whether all phases are done and all products are intact; print which are not."""
    if checkpoint.state.phase < len(plan.phases):
        return False
    predictions = None
    if job.recipe.task == "classification":
        predictions = len(plan.data.indices("validation")) + len(plan.data.indices("test"))
    damaged = damaged_products(job.folder, checkpoint, predictions)
    if damaged:
        job.note(f"missing or damaged, and rewritten from the last checkpoint: {', '.join(damaged)}")
    return not damaged


def _mark_unfinished(job: Job) -> None:
    """Remove the products that say that the run is finished, and write the recipe that it continues with.

    The model stays: until the next one is saved, it is all there is.
    """
    folder = job.folder
    remove_checksums(folder.path)
    for file in (folder.card, folder.report, folder.metrics, folder.pixels, folder.path / "predictions.csv"):
        file.unlink(missing_ok=True)
    folder.write_recipe(portable_text(job.recipe))
    environment = folder.read_json(folder.environment)
    settings = without_secrets(job.recipe.values)
    if not isinstance(environment, dict):
        return
    now = {key: value for key, value in environment.items() if key not in WHO_TRAINS} | {"settings": settings}
    now |= job.member.described()
    if now != environment:
        folder.write_json(folder.environment, now)


def _position(checkpoint: Checkpoint, phases: Sequence[Phase]) -> str:
    state = checkpoint.state
    if state.phase >= len(phases):
        return "all phases are done"
    if state.inside is None:
        return f"before phase {phases[state.phase].name}"
    return f"phase {phases[state.phase].name}, epoch {state.inside.epoch + 1}, after {state.inside.step} steps"
