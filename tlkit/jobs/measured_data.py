"""The data that a model is measured on: a split of its run's own data, or other data in the same form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.boundary.guard import options_code
from tlkit.contracts import Dataset, Options, Split
from tlkit.errors import DataError, PluginError, RunError
from tlkit.jobs.from_recipe import with_range_of
from tlkit.jobs.progress import Progress
from tlkit.recipe.data_part import DataPart
from tlkit.recipe.load import select_data
from tlkit.recipe.plain import plain_values
from tlkit.registry import Registry
from tlkit.runs.folder import RunFolder
from tlkit.runs.plugins import load_run_data_part
from tlkit.runs.samples import SamplesFile
from tlkit.system.remote import local_path
from tlkit.system.text import listed

if TYPE_CHECKING:
    import numpy as np

    from tlkit.contracts import Sample, SampleSet
    from tlkit.data.run_data import Data
    from tlkit.data.settings import DataSettings

OtherData = str | Path | Mapping[str, Any]
"""A folder or file in the form of the run's own data, or a table as a recipe's ``[data]``."""


@dataclass(frozen=True)
class MeasuredData:
    """Labelled images, listed but not decoded yet.

    Args:
        folder: the run folder.
        part: how the data is read.
        settings: the same, with what splits it.
        sample_set: the samples; of other data only those to measure, and without splits.
        split: the split to measure; None: ``test``, or ``validation`` where there are no test images.
        other: whether this is other data than the run's own.
        notes: remarks about the data.
    """

    folder: RunFolder
    part: DataPart
    settings: DataSettings
    sample_set: SampleSet
    split: Split | None
    other: bool
    notes: tuple[str, ...] = ()

    def decode(self, cache: Path, progress: Progress) -> Data:
        """Decode the samples.

        Args:
            cache: an empty folder for the decoded images.
            progress: called with how many of how many images are read.

        Raises:
            DataError: the data can't be used.
        """
        from tlkit.data.prepare import open_data

        cached = self.part.train.cache != "off"
        return open_data(self.settings, cache, cache=cached, progress=progress, sample_set=self.sample_set)

    def few(self, evaluated: int, trained: int) -> MeasuredData:
        """Return only a few of the run's own images, so that the others are not read.

        They are evenly spaced among those of the split, and keep their splits.

        Args:
            evaluated: the largest number of validation images; where there are none, of test images.
            trained: the largest number of training images.

        Raises:
            DataError: the run's ``samples.csv`` can't be read.
        """
        from tlkit.data.store.rows import evenly_spaced

        split_of = {key: row.split for key, row in SamplesFile(self.folder.samples).read_used().items()}
        of: dict[str, list[Sample]] = {"validation": [], "test": [], "train": []}
        for each in self.sample_set.samples:
            if each.key in split_of:
                of[split_of[each.key]].append(replace(each, split=split_of[each.key], group=None))  # type: ignore[arg-type]
        most = {"validation": evaluated, "test": 0 if of["validation"] else evaluated, "train": trained}
        if not of["validation"] and not of["test"]:
            most["train"] = max(evaluated, trained)
        kept = [of[split][place] for split, count in most.items() for place in evenly_spaced(len(of[split]), count)]
        table = self.settings.input.model_copy(update={"samples": None, "validation": 0.0, "test": 0.0})
        sample_set = replace(self.sample_set, samples=tuple(kept))
        settings = replace(self.settings, input=table, minimum_classes=1)
        return replace(self, settings=settings, sample_set=sample_set)

    def rows(self, data: Data) -> tuple[str, np.ndarray]:
        """Return the name of what is measured and its rows in the decoded data.

        Returns:
            the split, or ``data`` for other data without a split; and int64 (N,).

        Raises:
            DataError: the split has no images.
        """
        import numpy as np

        if self.other:
            return self.split or "data", np.arange(len(data.samples), dtype=np.int64)
        splits: tuple[Split, ...] = ("test", "validation") if self.split is None else (self.split,)
        for name in splits:
            rows = data.indices(name)
            if len(rows):
                return name, rows
        raise DataError(f"the run's data has no {' and no '.join(splits)} images; choose others with --split or --data")


def own_data(folder: RunFolder, registry: Registry, split: Split | None = None) -> MeasuredData:
    """List the images of a run's own data, with the splits of its ``samples.csv``.

    Args:
        folder: the run folder.
        registry: the plugins.
        split: the split to measure; None: ``test``, or ``validation`` where there are no test images.

    Raises:
        RunError: the run's ``recipe.toml`` or ``samples.csv`` is missing.
        DataError: the data can't be used.
    """
    part = run_data_part(folder, registry)
    if not folder.samples.is_file():
        raise RunError(f"{folder.samples}: no such file; it says which images are in which split")
    settings = _settings(part, {"samples": folder.samples}, minimum_classes=2)
    return MeasuredData(folder, part, settings, _opened(settings), split, other=False)


def other_data(folder: RunFolder, registry: Registry, data: OtherData, split: Split | None = None) -> MeasuredData:
    """List the images of other data, read in the form of the run's own.

    Nothing that belongs to the run's own data stays: neither its folder, nor its splits and groups.

    Args:
        folder: the run folder.
        registry: the plugins.
        data: where the data is, or a table as a recipe's ``[data]``.
        split: the split to measure, if the data has splits of its own; None for all of its images.

    Raises:
        RunError: the run has no recipe.
        DataError: the data can't be used, or has no such split.
        RecipeError: the table is not valid.
    """
    part = _elsewhere(run_data_part(folder, registry), data, registry)
    update = {"validation": 0.0, "test": 0.0, "samples": None, "group_pattern": None}
    settings = _settings(part, update, minimum_classes=1)
    try:
        sample_set = _opened(settings)
    except DataError as error:
        raise DataError(f"{error}{_other_reading(part, data, registry)}") from error
    counts = _split_counts(sample_set)
    notes = []
    if split is not None and not counts.get(split):
        has = f"its splits are {_counted(counts)}" if counts else "its images have no splits"
        raise DataError(f"the data has no {split} images: {has}; expected another --split, or none for all images")
    if counts and split is None:
        notes.append(
            f"the data has splits ({_counted(counts)}); all {len(sample_set.samples)} images are measured together; "
            "--split measures one of them"
        )
    samples = tuple(
        replace(each, split=None, group=None) for each in sample_set.samples if split is None or each.split == split
    )
    return MeasuredData(
        folder, part, settings, replace(sample_set, samples=samples), split, other=True, notes=tuple(notes)
    )


def run_data_part(folder: RunFolder, registry: Registry) -> DataPart:
    """Read how the data of a run is read.

    Raises:
        RunError: the run has no recipe.
        RecipeError: the recipe's tables about data are not valid here.
    """
    if not folder.recipe.is_file():
        raise RunError(f"{folder.recipe}: no such file; it says how the run's data is read")
    return with_range_of(load_run_data_part(folder, registry), folder.read_card())


def _settings(part: DataPart, update: Mapping[str, Any], minimum_classes: int) -> DataSettings:
    from tlkit.data.settings import DataSettings

    table = part.input.model_copy(update=dict(update))
    return DataSettings(part.data, table, part.task, part.seed, minimum_classes=minimum_classes)


def _opened(settings: DataSettings) -> SampleSet:
    from tlkit.data.prepare import open_samples

    return open_samples(settings)


def _split_counts(sample_set: SampleSet) -> dict[str, int]:
    splits = [each.split for each in sample_set.samples]
    return {split: splits.count(split) for split in ("train", "validation", "test") if split in splits}


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {split}" for split, count in counts.items())


def _other_reading(part: DataPart, data: OtherData, registry: Registry) -> str:
    """Return the end of a message: how data can be read that the run's data set can't read."""
    if isinstance(data, Mapping):
        data = data.get("path", "") if set(data) == {"path"} else ""
    if not data:
        return ""
    for record, _ in registry.records(Dataset):
        if record.detect is None or record.name == part.data.record.name:
            continue
        try:
            detected = record.detect(Path(data), part.task)
        except DataError:
            continue
        if detected is not None:
            remedy = f"to read it so, add --set data.name={record.name}"
            return f". It looks like data for {record.name} ({detected.title}); {remedy}"
    return ""


def _elsewhere(part: DataPart, data: OtherData, registry: Registry) -> DataPart:
    """Return the data part with other data in place of the run's own."""
    table = plain_values({"data": data if isinstance(data, Mapping) else {"path": Path(data)}})["data"]
    own, name = part.data.record.name, table.get("name", part.data.record.name)
    if name != own or "path" not in table:
        start = part.values if name == own else {}
        return select_data(part, {**start, **table}, registry)
    path = local_path(Path(table.pop("path")), with_neighbours=True)
    moved = replace(part, data=replace(part.data, options=_relocated(part, path)))
    return select_data(moved, {**moved.values, **table}, registry) if table else moved


def _relocated(part: DataPart, path: Path) -> Options:
    """Return the options of the run's data set that read other data.

    Raises:
        DataError: there is nothing at the path, or the data set is not read from a path.
        PluginError: the data set broke its contract.
    """
    record, options = part.data.record, part.data.options
    if not path.exists():
        raise DataError(f"--data {path}: no such file or folder; expected data in the form of the run's own")
    if record.relocate is not None:
        given = record.relocate(options, path)
        if not isinstance(given, record.options):
            raise PluginError(
                f'dataset "{record.name}": expected relocate to return {record.options.__name__}, received {given!r}'
            )
        return given
    fields = record.options.model_fields
    if "path" not in fields:
        raise DataError(
            f'--data: the data set "{record.name}" of this run is not read from a path (its options: '
            f"{listed(list(fields)) or 'none'}); name another one with --set, such as --set data.name=folder for class "
            "folders"
        )
    with options_code(record):
        defaults = {
            key: info.get_default(call_default_factory=True)
            for key, info in fields.items()
            if isinstance(getattr(options, key), Path) and key != "path" and not info.is_required()
        }
    moved: Options = options.model_copy(update={**defaults, "path": path.resolve()})
    return moved
