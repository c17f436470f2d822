"""What ``tlkit check --apply`` does: write a table of labels as somebody has decided on them; no image is touched."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tlkit.contracts import Sample, SampleSet
from tlkit.data.splits.labels import label_text, numbers_of
from tlkit.errors import DataError
from tlkit.files import CellWriter
from tlkit.jobs import from_recipe
from tlkit.recipe.schema import Recipe
from tlkit.report.filled_table import Decisions, read_decisions
from tlkit.system.disk import check_new_file, write_atomically, writing
from tlkit.system.text import toml_string

_SEPARATORS = ("|", ";", "/", "\t")


@dataclass(frozen=True)
class AppliedDecisions:
    """The table that was written.

    Args:
        file: the table.
        decisions: what was decided.
        recipe: the lines of a recipe that use it.
        notes: remarks.
    """

    file: Path
    decisions: Decisions
    recipe: str
    notes: tuple[str, ...] = ()


def applied_file(decisions: Path) -> Path:
    """Return the name of the table that is written if none is given: ``labels.csv`` → ``labels-applied.csv``."""
    return decisions.with_name(f"{decisions.stem}-applied.csv")


def apply_decisions(
    recipe: Recipe, file: Path, out: Path | None = None, *, overwrite: bool = False
) -> AppliedDecisions:
    """Write a table of the images of a recipe with the labels that somebody has decided on.

    Args:
        recipe: the recipe whose data the decisions are about.
        file: a ``labels.csv`` of ``tlkit labels`` with the column ``decision`` filled in.
        out: the table to write; None: beside the file, as ``applied_file`` names it.
        overwrite: replace a table that exists.

    Raises:
        DataError: a row of the file is wrong, the data can't be opened, or the table exists already.
        PluginError: the data set broke its contract.
    """
    out = applied_file(file) if out is None else out
    if out.absolute() == file.absolute() or (out.exists() and file.exists() and out.samefile(file)):
        raise DataError(f"{out}: is the file with the decisions; expected another file for the table of labels")
    check_new_file(out, overwrite=overwrite)
    sample_set = from_recipe.open_samples(recipe)
    if recipe.task == "segmentation":
        return _applied_masks(recipe, sample_set, file, out)
    there = [each for each in sample_set.samples if not isinstance(each.image, Path) or each.image.is_file()]
    labels = {each.key: label_text(each, sample_set.classes) for each in there}
    decisions = read_decisions(file, labels, sample_set.classes, several=sample_set.multi_label)
    _refuse_none_left(decisions, len(there), file)
    text, lines = _table(sample_set, decisions, out, recipe.data.record.name)
    _write(out, text)
    left = {
        name
        for each in sample_set.samples
        if each.key not in decisions.dropped
        for name in _left(each, sample_set, decisions)
    }
    gone = [name for name in sample_set.classes if name not in left]
    notes = (f"no image is left of {', '.join(gone)}, which is no class any more",) if gone else ()
    return AppliedDecisions(out, decisions, "\n".join(lines), notes)


def _refuse_none_left(decisions: Decisions, images: int, file: Path) -> None:
    if images and len(decisions.dropped) == images:
        raise DataError(f"{file}: drops all {images} images, so that none is left to train on; keep some of them")


def _left(sample: Sample, sample_set: SampleSet, decisions: Decisions) -> tuple[str, ...]:
    return decisions.fixed.get(sample.key, _names(sample, sample_set.classes))


def _names(sample: Sample, classes: Sequence[str]) -> tuple[str, ...]:
    return tuple(classes[number] for number in numbers_of(sample))


def _table(sample_set: SampleSet, decisions: Decisions, out: Path, name: str) -> tuple[str, list[str]]:
    """Return the table, and the lines of a recipe that read it."""
    root = sample_set.root
    splits = any(each.split for each in sample_set.samples)
    groups = any(each.group for each in sample_set.samples)
    separator = _separator(sample_set)
    text = io.StringIO(newline="")
    writer = CellWriter(text)
    writer.writerow(["image", "label", *(["split"] if splits else []), *(["group"] if groups else [])])
    for each in sample_set.samples:
        if each.key in decisions.dropped:
            continue
        if not isinstance(each.image, Path):
            raise DataError(
                f'the images of the data set "{name}" are no files, so no table can name them; change the labels where '
                "the images come from"
            )
        cells = [_below(each.image, root), separator.join(_left(each, sample_set, decisions))]
        cells += [each.split or ""] if splits else []
        cells += [each.group or ""] if groups else []
        writer.writerow(cells)
    lines = ["[data]", 'name = "csv"', f"path = {toml_string(out.absolute().as_posix())}"]
    lines += [f"root = {toml_string(root.absolute().as_posix())}"] if root is not None else []
    lines += ['split = "split"'] if splits else []
    lines += ['group = "group"'] if groups else []
    lines += [f"separator = {toml_string(separator)}"] if sample_set.multi_label else []
    return text.getvalue(), lines


def _below(image: Path, root: Path | None) -> str:
    """Return the path of an image as the table has it: below the root, where it is there."""
    if root is not None:
        for path, folder in ((image, root), (image.absolute(), root.absolute()), (image.resolve(), root.resolve())):
            if path.is_relative_to(folder):
                return path.relative_to(folder).as_posix()
    return image.absolute().as_posix()


def _separator(sample_set: SampleSet) -> str:
    """Return a text that is in the name of no class, to stand between several labels."""
    if not sample_set.multi_label:
        return "|"
    for separator in _SEPARATORS:
        if not any(separator in name for name in sample_set.classes):
            return separator
    raise DataError(
        f"no separator for several labels: the names of the classes have all of {' '.join(_SEPARATORS[:3])}"
    )


def _applied_masks(recipe: Recipe, sample_set: SampleSet, file: Path, out: Path) -> AppliedDecisions:
    """Write a table of the splits of the masks that are kept."""
    labels = {each.key: "" for each in sample_set.samples}
    decisions = read_decisions(file, labels, (), several=False)
    _refuse_none_left(decisions, len(labels), file)
    splits = from_recipe.open_full_size(recipe).splits
    text = io.StringIO(newline="")
    writer = CellWriter(text)
    writer.writerow(["key", "split", "status"])
    for each in sample_set.samples:
        split = splits.get(each.key, "left out")
        if each.key not in decisions.dropped and split != "left out":
            writer.writerow([each.key, split, "used"])
    _write(out, text.getvalue())
    return AppliedDecisions(out, decisions, f"[input]\nsamples = {toml_string(out.absolute().as_posix())}")


def _write(out: Path, text: str) -> None:
    try:
        with writing(out):
            write_atomically(out, text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise DataError(f"{out}: an image has a name that is not UTF-8; rename it, then a table can name it") from error
