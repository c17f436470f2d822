"""An earlier run's ``samples.csv``: read, compared with the data as it is now, and its splits taken over."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

import numpy as np

from tlkit.contracts import Sample, SampleSet, SetAside, Split
from tlkit.data.splits.assign import Splits
from tlkit.data.splits.labels import classes_left, label_text, numbers_of, with_classes
from tlkit.errors import DataError
from tlkit.runs.reading import MAX_TABLE_BYTES
from tlkit.system.text import nearest


def repeat_splits(
    file: Path,
    samples: Sequence[Sample],
    digests: Sequence[str],
    *,
    image_digest: Callable[[int], str] | None = None,
    classes: Sequence[str] = (),
    set_aside: Sequence[SetAside] = (),
) -> Splits:
    """The splits that an earlier run's ``samples.csv`` wrote down; files whose bytes changed are named in the notes.

    Args:
        file: the ``samples.csv``.
        samples: all usable samples.
        digests: SHA-256 of each sample's bytes, its mask's included; empty where it is not known.
        image_digest: place in ``samples`` → SHA-256 of the image alone, for samples with masks; empty if not known.
        classes: class names, with which labels are compared; none: they are not.
        set_aside: what can't be used, and why.

    Raises:
        DataError: the file can't be read, names samples that can't be used, has other labels, or what it has as a
            validation or test image is now under the name of a training image.
    """
    written = read_samples_csv(file)
    _check_all_there(file, written, samples, set_aside)
    _check_labels(file, written, samples, classes)
    added = [sample.key for sample in samples if sample.key not in written]
    notes = [f"left out, as they are not in {file}: {_some(added)}"] if added else []
    held_out = [each for each in written.values() if each.split != "train"]
    held_digests = {each.digest for each in held_out} | {each.image_digest for each in held_out}
    changed, leaked = [], []
    for place, (sample, digest) in enumerate(zip(samples, digests, strict=True)):
        was = written.get(sample.key)
        if was is None or (digest and was.digest == f"sha256:{digest}"):
            continue
        image = image_digest(place) if image_digest is not None else ""
        other = [
            f"sha256:{now}"
            for then, now in ((was.digest, digest), (was.image_digest, image))
            if then and now and then != f"sha256:{now}"
        ]
        if other:
            changed.append(sample.key)
        if was.split == "train" and held_digests.intersection(other):
            leaked.append(sample.key)
    if leaked:
        raise DataError(
            f"input.samples: files that {file} has as validation or test images have become training images: "
            f"{_some(leaked)}. What is measured on them would be worth nothing; put the files back as they were"
        )
    if changed:
        notes.append(f"changed since {file} was written: {_some(changed)}")
    splits = [written[sample.key].split if sample.key in written else "left out" for sample in samples]
    return Splits(np.array(splits), tuple(notes))


def _check_all_there(
    file: Path, written: Collection[str], samples: Sequence[Sample], set_aside: Sequence[SetAside]
) -> None:
    there = {sample.key for sample in samples}
    reasons = {each.key: each.reason for each in set_aside}
    lost = sorted(key for key in written if key not in there)
    missing = [key for key in lost if key not in reasons]
    aside = [f"{key} ({reasons[key]})" for key in lost if key in reasons]
    problems = []
    if missing:
        problems.append(
            f"names samples that are not there ({len(missing)}): {_some(missing)}. Put them back, or take their "
            "lines out"
        )
    if aside:
        problems.append(
            f"names samples that are set aside ({len(aside)}): {_some(aside)}. Mend them, or take their lines out"
        )
    if problems:
        raise DataError(f"input.samples: {file} {'; it '.join(problems)}")


def _check_labels(
    file: Path, written: Mapping[str, WrittenSample], samples: Sequence[Sample], classes: Sequence[str]
) -> None:
    other = []
    for sample in samples if classes else ():
        now = label_text(sample, classes)
        then = written[sample.key].label if sample.key in written else ""
        if then and now and then != now:
            other.append(f"{sample.key} (there {then}, now {now})")
    if other:
        raise DataError(
            f"input.samples: samples have other labels than in {file} ({len(other)}): {_some(other)}. Put the labels "
            "back; or, where the new ones are right, write them there"
        )


def within_samples_csv(found: SampleSet, file: Path) -> SampleSet:
    """The sample set without the classes of which ``samples.csv`` has no image, and without their samples.

    A new class among the others would number them anew, though none of its images is used.

    Raises:
        DataError: the file can't be read.
    """
    written = read_samples_csv(file)
    listed = [sample for sample in found.samples if sample.key in written]
    kept = classes_left(found, listed)
    if not listed or len(kept) == len(found.classes):
        return found
    of_new = [
        sample for sample in found.samples if sample.key not in written and not kept.issuperset(numbers_of(sample))
    ]
    gone = {sample.key for sample in of_new}
    samples = [sample for sample in found.samples if sample.key not in gone]
    aside = [SetAside(each.key, f"no image of {label_text(each, found.classes)} is in {file}") for each in of_new]
    return with_classes(replace(found, samples=tuple(samples), set_aside=(*found.set_aside, *aside)), kept)


def _some(keys: Sequence[str], most: int = 8) -> str:
    return ", ".join(keys[:most]) + (f" and {len(keys) - most} more" if len(keys) > most else "")


@dataclass(frozen=True)
class WrittenSample:
    """A row of ``samples.csv``; digests and label are empty where there is none.

    Args:
        split: of the sample.
        digest: of its bytes, its mask's included.
        image_digest: of its image alone; rows of older runs have none.
        label: as ``label_text`` gives it.
    """

    split: Split
    digest: str
    image_digest: str = ""
    label: str = ""


def read_samples_csv(file: Path) -> dict[str, WrittenSample]:
    """Key → what is written of it, of the samples that were used.

    Raises:
        DataError: the file is missing, or a line of it is not as ``Data.write_samples_csv`` writes it.
    """
    splits: dict[str, WrittenSample] = {}
    if not file.is_file():
        what = "no such file" if not file.exists() else "is no file"
        raise DataError(f"{file}: {what}; expected a samples.csv of an earlier run")
    if file.stat().st_size > MAX_TABLE_BYTES:
        raise DataError(f"{file}: has {file.stat().st_size} bytes; expected at most {MAX_TABLE_BYTES} of a samples.csv")
    try:
        with file.open(newline="", encoding="utf-8") as text:
            reader = csv.DictReader(text)
            absent = {"key", "split", "status"} - set(reader.fieldnames or ())
            if absent:
                raise DataError(f"{file}: expected the columns key, split, status; {', '.join(sorted(absent))} missing")
            for row in reader:
                if row["status"] != "used":
                    continue
                if row["split"] not in get_args(Split):
                    near = nearest(str(row["split"]), get_args(Split))
                    hint = f'; did you mean "{near}"?' if near else ""
                    raise DataError(f"{file}:{reader.line_num}: unknown split {row['split']!r}{hint}")
                if row["key"] in splits:
                    raise DataError(f"{file}:{reader.line_num}: {row['key']!r} stands there twice")
                texts = [row.get(column) or "" for column in ("digest", "image_digest", "label")]
                splits[row["key"]] = WrittenSample(cast(Split, row["split"]), *texts)
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: not a CSV file: {error}") from error
    return splits
