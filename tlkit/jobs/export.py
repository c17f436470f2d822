"""``tlkit.export``: write a trained model in other formats, each compared with the Keras model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkit.errors import DataError, PluginError, RunError, TlkitError
from tlkit.exports.asked import Asked, Wishes, asked_files
from tlkit.jobs.measured_data import MeasuredData, own_data
from tlkit.jobs.predict import load_with_keras
from tlkit.jobs.progress import StageProgress, no_progress
from tlkit.registry import Registry
from tlkit.registry.discovery import registry_for_recipe
from tlkit.runs.exports import Export, add_exports, read_exports
from tlkit.runs.folder import RunFolder
from tlkit.runs.folds import run_digest, run_with_data
from tlkit.runs.lock import locked
from tlkit.system.disk import FullDiskError, full_disk_text, is_disk_full, path_of_error, temporary_folder
from tlkit.system.memory import explained_memory
from tlkit.system.tensorflow import start_tensorflow

if TYPE_CHECKING:
    from tlkit.exports.gate import Gate


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote.

    Args:
        exports: each file that was asked for, as in ``exports.json``: also those that were refused, with the reason.
        files: the files that were written.
        notes: remarks, such as which formats were left out because a package is missing.
    """

    exports: tuple[Export, ...]
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


@explained_memory("use a machine with more memory; nothing was left behind")
def export(
    run: str | Path,
    *,
    format: str,
    quantize: str | None = None,
    input: str = "uint8",
    out: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    trust: bool = False,
    registry: Registry | None = None,
    progress: StageProgress = no_progress,
) -> ExportResult:
    """Write the model of a finished run in another format, if it gives the same answers there.

    The file is run by its own runtime, in a process of its own, on the run's validation images, at most 200 of them,
    and compared with the Keras model. A file that differs by more than 0.001 in a probability, or in more than 0.1 % of
    the classes, is removed; a quantized one if more than 3 % of the classes differ, or if the accuracy or the mean IoU
    is worse by more than one standard error. What was found is added to ``exports.json`` in the run folder.

    Args:
        run: the folder of a run or of a cross-validation, whose models become one.
        format: the name of a format, as ``tlkit plugins`` lists them; or ``all``.
        quantize: ``float16``, ``dynamic``, ``int8`` or ``int16x8``, of which a format has some; ``all`` for float32
            and all of these; None for float32.
        input: ``uint8`` or ``float32``, the type of the images that the file takes; values 0-255 in both.
        out: the file to write; None for one in ``exports`` in the run folder.
        options: options of the exporter.
        overwrite: replace files that exist.
        trust: also load a model with layers from a plugin, which runs that plugin's code on data from the file.
        registry: the plugins; None for the installed ones.
        progress: called with the stage, and how many of how many images are done.

    Returns:
        what was written, and what was found.

    Raises:
        RunError: the file was refused, the run is not finished, or a file of it is damaged. Of several files it is no
            error that some are refused.
        DataError: there is no such format, a package is missing, a file is in the way, or the data can't be used.
        PluginError: the exporter broke its contract.
    """
    folder = RunFolder(Path(run))
    source = run_with_data(folder, folder.read_card())
    with _explained(folder.exports), locked(folder.path):
        read_exports(folder)  # if it is damaged or busy, nothing can be added to it
    registry = registry_for_recipe(registry, allow_plugins=False)
    where = None if out is None else Path(out)
    wishes = Wishes(format, quantize, input, where, options or {}, overwrite, folder.exported)
    asked, notes = asked_files(wishes, registry)
    if where is None:
        folder.refuse_links()
    with temporary_folder() as cache:
        gate = _opened_gate(folder, own_data(source, registry), cache, progress, trust=trust, registry=registry)
        try:
            rows = [_exported(gate, each, folder, alone=len(asked) == 1) for each in asked]
        finally:
            notes += [*gate.notes, *_report_notes(folder)]
    written = tuple(each.target for each, row in zip(asked, rows, strict=True) if row.passed)
    return ExportResult(tuple(rows), written, tuple(notes))


def _opened_gate(
    folder: RunFolder, listed: MeasuredData, cache: Path, progress: StageProgress, *, trust: bool, registry: Registry
) -> Gate:
    """Load the model of a run and decode its images."""
    progress("starting TensorFlow", 0, 0)
    start_tensorflow()
    from tlkit.exports.gate import CALIBRATION_IMAGES, MOST_IMAGES, Gate

    progress("loading the model", 0, 0)
    predictor = load_with_keras(folder.path, trust=trust, registry=registry)
    few = listed.few(evaluated=MOST_IMAGES, trained=CALIBRATION_IMAGES)
    data = few.decode(cache, partial(progress, "reading images"))
    return Gate(predictor.model, predictor.card, run_digest(folder, predictor.card), data, registry, progress)


def _report_notes(folder: RunFolder) -> list[str]:
    """Put the table of exports into the report, and return a note if it has no place for it."""
    from tlkit.report.exports_part import update_report

    try:
        if not folder.report.is_file() or update_report(folder):
            return []
    except RunError as error:
        return [f"the report has no table of this export: {error}"]
    return [f"{folder.report} is of an earlier tlkit; tlkit report {folder.path} adds the table of exports to it"]


def _exported(gate: Gate, asked: Asked, folder: RunFolder, *, alone: bool) -> Export:
    """Export one file and keep what was found.

    Raises:
        TlkitError: the only file was refused, or could not be written.
    """
    failure: TlkitError | None = None
    try:
        with _explained(asked.target):
            row = gate.export(asked)
    except (DataError, PluginError) as error:
        row, failure = gate.refused(asked, str(error)), error
    name = asked.target.absolute()
    inside = name.is_relative_to(folder.path.absolute())
    row = row.model_copy(update={"file": name.relative_to(folder.path.absolute()).as_posix() if inside else str(name)})
    with _explained(folder.exports), locked(folder.path):
        add_exports(folder, [row])
    if alone and not row.passed:
        raise failure or RunError(f"{asked.title}: refused, and nothing was left behind: {row.reason}")
    return row


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Turn errors of the operating system into those that say which file can't be written, and what to do."""
    try:
        yield
    except OSError as error:
        folder = next(each for each in target.absolute().parents if each.exists())
        if is_disk_full(error):
            raise FullDiskError(
                f"{target}: can't be written: {full_disk_text(folder, 0)}; nothing was left behind. Free some space, "
                "or name a file on another disk with --out"
            ) from error
        where = path_of_error(error) or target
        raise DataError(
            f"{where}: can't be written: {error.strerror or error}; name another file with --out"
        ) from error
