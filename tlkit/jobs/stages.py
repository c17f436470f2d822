"""What a new run and a resumed run do before training: read the data, build the network, plan the phases."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.files import EXCLUDED
from tlkit.jobs import from_recipe
from tlkit.jobs.job import Job
from tlkit.recipe.schema import Recipe
from tlkit.runs.plugins import parts_of
from tlkit.system.disk import write_atomically
from tlkit.system.text import and_more, counted

if TYPE_CHECKING:
    from tlkit.contracts import Phase
    from tlkit.data.checks.check import Checked
    from tlkit.data.run_data import Data
    from tlkit.models.assemble import Network

_SHOWN = 5
"""Files that are set aside of which the reason is printed."""


@dataclass(frozen=True)
class Plan:
    """The network to train, the data to train it on, and the phases.

    Args:
        data: the recipe's data, split.
        network: the recipe's network, with the weights that training starts from.
        phases: the phases of the schedule, each with the early stop that applies to it.
    """

    data: Data
    network: Network
    phases: tuple[Phase, ...]


def describe_environment(job: Job) -> dict[str, Any]:
    """Return the contents of ``environment.json``: versions, devices, settings, and the plugin of each part."""
    from tlkit.train.environment import describe_environment

    environment = describe_environment(job.registry, job.recipe)
    environment["parts"] = [part.model_dump() for part in parts_of(job.recipe, job.registry)]
    return environment | job.member.described()


def read_data(job: Job, folder: Path, check: Callable[[], None] = lambda: None) -> Data:
    """Read, check and split the recipe's data, and show the progress.

    Args:
        job: the run.
        folder: an empty folder for the decoded images.
        check: called again and again; raises an error for which the data need not be waited for.
    """
    with job.reporter.stages("looking for images" if job.member.chief else "waiting for the first worker") as show:
        job.member.wait_for_data(check)

        def at(doing: str, done: int, total: int) -> None:
            check()
            show(doing, done, total)

        data = from_recipe.open_data(
            job.recipe, folder, partial(at, "decoding images"), checking=partial(at, "checking files")
        )
    job.member.reach("read")
    return data


def join_workers(job: Job) -> None:
    """Join the other workers of the training, if there are any, and say who they are."""
    member = job.member
    if member.alone:
        if (parts := member.team.parts) > 1:
            job.say(f"GPUs: {parts} train together")
        return
    with job.reporter.stage("waiting for the other workers"):
        member.join()
    job.say(f"Workers: {member.size} train together")
    for rank, beat in enumerate(member.beats()):
        if beat is not None:
            threads = {0: "", 1: ", 1 thread"}.get(beat.threads, f", {beat.threads} threads")
            job.say(f"  worker {rank} joined: {beat.host}, process {beat.pid}, {beat.devices}{threads}")


def compare_workers(job: Job, plan: Plan) -> None:
    """Check that all workers have the same data, network and phases.

    Raises:
        RunError: a worker has others.
    """
    if job.member.alone:
        return
    from tlkit.models.freeze import digests

    team, samples = job.member.team, hashlib.sha256()
    for each in plan.data.sample_rows():
        samples.update(repr((each.key, each.split, each.label, each.digest)).encode())
    team.same(samples.hexdigest(), "the data")
    team.same(repr(sorted(digests(plan.network.model).items())), "the network")
    team.same(repr(plan.phases), "the schedule")


def write_check(job: Job, checked: Checked) -> None:
    """Write ``check.json`` and ``check.html``, and print what the check found."""
    from tlkit.report.check_page import check_page

    report = replace(checked.report, name=job.recipe.name)
    write_atomically(job.folder.path / "check.json", report.json_text())
    write_atomically(job.folder.path / "check.html", check_page(report))
    lines = [line for line in report.lines(shown=1) if "→" not in line]
    job.say("\n".join([f"Check: {report.counts()}", *(f"  {line}" for line in lines)]))


def describe_data(job: Job, data: Data) -> None:
    """Print the counts, the classes, the notes and the files that were set aside."""
    counts = ", ".join(f"{len(data.indices(split))} {split}" for split in ("train", "validation", "test"))
    classes = ", ".join(data.classes[:8]) + (", …" if len(data.classes) > 8 else "")
    job.say(f"Data: {counted(len(data.samples), 'image')} ({counts}), {counted(len(data.classes), 'class')}: {classes}")
    for note in data.notes:
        job.note(note)
    set_aside = [each for each in data.set_aside if not each.reason.startswith(EXCLUDED)]
    if excluded := len(data.set_aside) - len(set_aside):
        job.say(f"  {EXCLUDED}: {excluded} files and folders, listed in {job.folder.samples}")
    if set_aside:
        job.say(f"  set aside: {counted(len(set_aside), 'file')}, listed in {job.folder.samples}")
        for each in set_aside[:_SHOWN]:
            job.say(f"    {each.key}: {each.reason}")
        if rest := and_more(len(set_aside), _SHOWN):
            job.say(f"   {rest}")


def build_network(job: Job, data: Data) -> Network:
    """Build the recipe's network and print what it is."""
    import tensorflow as tf

    from tlkit.models.cost import heavy_head
    from tlkit.train.environment import computes_bfloat16

    recipe = job.recipe
    normalization = from_recipe.normalization(recipe, data)
    with job.reporter.stage("building the model"):
        network = from_recipe.build_network(recipe, data.classes, data.label_kind, normalization)
    if normalization is not None:
        mean, deviation = (
            ", ".join(f"{value:.1f}" for value in values) for values in (normalization.mean, normalization.deviation)
        )
        job.say(f"Normalization: (image - mean) / deviation; mean {mean}; deviation {deviation}")
    half = recipe.train.precision == "mixed_bfloat16" and not tf.config.list_physical_devices("GPU")
    if half and computes_bfloat16() is False:
        job.note('this processor has no bfloat16 instructions; train.precision = "float32" is faster')
    job.say(
        f"Model: {recipe.backbone.record.name} (weights: {recipe.backbone.options.weights}) with head "
        f"{recipe.head.record.name}, {network.model.count_params():,} weights"
    )
    if times := heavy_head(network):
        name = recipe.head.record.name
        job.note(
            f'head "{name}" has {times} of the backbone: it decides how long an epoch takes. A lighter one has fewer '
            f"filters or units, or other options: tlkit plugins show head {name}"
        )
    return network


def note_long_warmups(job: Job, phases: Sequence[Phase]) -> None:
    """Say which phases end before their learning rate has risen to its value."""
    for phase in phases:
        warmup = getattr(phase.curve, "warmup_epochs", 0)
        if warmup > phase.epochs:
            job.note(
                f"phase {phase.name}: warmup_epochs = {warmup:g} is more than its {phase.epochs} epochs; the learning "
                f"rate only rises to {phase.epochs / warmup:.2g} times its value"
            )


def plan_phases(recipe: Recipe, network: Network) -> tuple[Phase, ...]:
    """Return the phases of a recipe's schedule, each with the early stop that applies to it."""
    phases = from_recipe.plan_phases(recipe, network)
    return tuple(replace(phase, early_stop=phase.early_stop or recipe.train.early_stop) for phase in phases)
