"""What has changed since a run began: its recipe, its data, and what its last bits depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tlkit.data.splits.repeat import drawn_splits
from tlkit.errors import RunError
from tlkit.jobs import stages
from tlkit.jobs.job import Job
from tlkit.jobs.member import WHO_TRAINS
from tlkit.jobs.resume_point import edited_keys, may_change
from tlkit.recipe.renamed import with_current_names
from tlkit.recipe.schema import Recipe
from tlkit.recipe.source import parse_toml
from tlkit.runs.checksums import remove_checksums
from tlkit.runs.folder import RunFolder
from tlkit.runs.samples import SamplesFile
from tlkit.runs.secrets import without_secrets
from tlkit.system.text import listed

if TYPE_CHECKING:
    from tlkit.data.run_data import Data


def edited(folder: RunFolder, original: Recipe, environment: Any) -> dict[str, tuple[Any, Any]]:
    """Return the keys that a person edited in the recipe of a run, of those that may change.

    Raises:
        RunError: others were edited, too.
    """
    settings = environment.get("settings") if isinstance(environment, dict) else None
    if not isinstance(settings, dict):
        return {}
    written = with_current_names(without_secrets(parse_toml(folder.recipe_text())))
    found = edited_keys(original, with_current_names(settings), written)
    wrong = [f"{key} is {now}, but was {before}" for key, (before, now) in found.items() if not may_change(key)]
    if wrong:
        raise RunError(
            f"{folder.recipe}: {listed(wrong, 5)} when the run began. Its training so far depends on it: undo the "
            "edit, or start a new run. To train for longer: tlkit resume … --set schedule.epochs=…"
        )
    return found


def gpus_of(environment: Mapping[str, Any]) -> int:
    """Return on how many GPUs a process trained a run last, as its ``environment.json`` says; 1 if it says nothing."""
    count = environment.get("gpus", 1)
    return count if isinstance(count, int) and count > 0 else 1


def compare_environment(job: Job) -> None:
    """Note what the exact weights depend on and has changed since the run started."""
    from tlkit.train.environment import differences

    folder, now = job.folder, stages.describe_environment(job)
    if not folder.environment.is_file():
        remove_checksums(folder.path, [folder.environment.name])
        folder.write_json(folder.environment, now)
        return
    before = folder.read_json(folder.environment)
    if not isinstance(before, dict):
        raise RunError(f"{folder.environment}: expected a table; the file is damaged: remove it and resume again")
    changed = differences(before, now)
    for name in WHO_TRAINS:
        if before.get(name, 1) != now.get(name, 1):
            changed.insert(0, f"{name} {before.get(name, 1)} before, {now.get(name, 1)} now")
    if changed:
        job.note(f"the last bits may differ from those of an uninterrupted run: {'; '.join(changed)}")


def compare_samples(job: Job, data: Data) -> Data:
    """Check that the data is the same as when the run started, and return it with the splits of that time."""
    file = job.folder.samples
    if not file.is_file():
        remove_checksums(job.folder.path, [file.name])
        data.write_samples_csv(file)
        return data
    drawn = drawn_splits(file, data.samples, data.splits)
    if not (drawn == data.splits).all():
        job.note(f"the splits are those that {file.name} records; this version of tlkit would draw others")
        data = replace(data, splits=drawn)
    SamplesFile(file).check_unchanged(data.sample_rows())
    return data
