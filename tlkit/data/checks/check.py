"""Every file of a data set looked at before the first step: what is wrong, what is odd, what stands there twice."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from tlkit.contracts import Sample, SampleSet, SetAside, Split, Task
from tlkit.data.checks import picture_checks
from tlkit.data.checks.duplicates import same_pictures
from tlkit.data.checks.facts_cache import FactsCache
from tlkit.data.checks.file_facts import Facts, Reading, read_facts
from tlkit.data.checks.findings import BAD, KINDS, Finding, Level, Report, encodable
from tlkit.data.checks.folder_check import FolderCheck
from tlkit.data.checks.sample_checks import sample_findings
from tlkit.data.images.mask_decode import decode_mask
from tlkit.data.splits.assign import Splits, groups_of
from tlkit.data.splits.labels import classes_left, label_text
from tlkit.data.splits.picture_splits import assign_with_pictures
from tlkit.data.splits.repeat import repeat_splits
from tlkit.data.store.store import Progress
from tlkit.errors import DataError
from tlkit.recipe.schema import CheckTable, InputTable
from tlkit.runs.samples import SampleRow, SamplesFile

_LISTED = 20
BAD_NAME = "the name is not in UTF-8"


@dataclass(frozen=True)
class Checked:
    """A sample set that was checked.

    Args:
        report: what was found.
        samples: those to use, in the sample set's order.
        set_aside: those that the check sets aside, with the reason.
        bad: how many of them can't be used at all.
        splits: key → split, of the samples to use; empty where an earlier run's ``samples.csv`` gives the splits.
        groups: key → group.
        digests: key → SHA-256 of the image's bytes.
        notes: what is worth telling about the splits.
    """

    report: Report
    samples: tuple[Sample, ...]
    set_aside: tuple[SetAside, ...]
    bad: int
    splits: Mapping[str, str]
    groups: Mapping[str, str | None]
    digests: Mapping[str, str]
    notes: tuple[str, ...]

    def raise_errors(self) -> None:
        """Stop a run.

        Raises:
            DataError: something was found that the policy calls an error; the message lists it.
        """
        errors = self.report.of("error")
        if errors:
            lines = replace(self.report, findings=tuple(errors)).lines(_LISTED)
            raise DataError("\n".join([f"{self.report.name}: the check of the data found errors:", *lines]))


def check_samples(
    name: str,
    found: SampleSet,
    table: InputTable,
    check: CheckTable,
    *,
    task: Task,
    seed: int,
    kept: FactsCache | None = None,
    progress: Progress | None = None,
    minimum_classes: int = 2,
) -> Checked:
    """Check a sample set by the recipe's policy. No file is moved, changed or deleted.

    Args:
        name: of the data, for the report.
        found: what the data set found.
        table: the recipe's ``[input]``.
        check: the recipe's ``[check]``.
        task: of the recipe.
        seed: of the recipe.
        kept: what earlier checks found; None for that in the user's cache folder.
        progress: told (done, total) files.
        minimum_classes: how many classes there must be.
    """
    began = time.monotonic()
    job = _Check(found, table, check, task, seed)
    read = job.look_at_files(kept or FactsCache.of_user(), progress)
    job.look_at_folders()
    pictures = job.look_at_pictures()
    splits, groups = job.split(pictures)
    job.look_across_splits(pictures, splits)
    job.look_at_what_is_left(splits, minimum_classes)
    return job.result(name, splits, groups, read, time.monotonic() - began)


class _Check:
    def __init__(self, found: SampleSet, table: InputTable, check: CheckTable, task: Task, seed: int) -> None:
        self.found, self.table, self.check, self.task, self.seed = found, table, check, task, seed
        self.folder = FolderCheck(found, task)
        self.findings: list[Finding] = []
        self.dropped: dict[str, str] = {}
        self.bad: set[str] = set()
        self.notes: tuple[str, ...] = ()
        self.facts: dict[str, Facts] = {}
        self.masks: dict[str, Facts] = {}
        self.written: Mapping[str, SampleRow] | None = None

    @property
    def left(self) -> list[Sample]:
        """The samples that were not set aside."""
        return [sample for sample in self.found.samples if sample.key not in self.dropped]

    def note(
        self,
        kind: str,
        key: str,
        detail: str = "",
        others: tuple[str, ...] = (),
        drops: Iterable[str] = (),
        reason: str = "",
    ) -> None:
        """Add a finding; by the policy, set the samples ``drops`` aside for it."""
        level: Level = getattr(self.check, kind, "error")
        self.findings.append(Finding(kind, level, key, detail, others))
        if level == "skip":
            for each in drops:
                self.dropped.setdefault(each, reason or f"{KINDS[kind][0]}: {detail}")

    def look_at_files(self, kept: FactsCache, progress: Progress | None) -> int:
        """Read images and masks; gives how many files were read."""
        samples = self.found.samples
        wanted = dict.fromkeys((each.image, False) for each in samples if isinstance(each.image, Path))
        wanted |= dict.fromkeys((each.mask, True) for each in samples if isinstance(each.mask, Path))
        reading = Reading(self.table.max_pixels, self.found.mask_table)
        facts, read = read_facts(list(wanted), reading, kept, progress)
        of_file = dict(zip(wanted, facts, strict=True))
        for sample in samples:
            image = of_file[sample.image, False] if isinstance(sample.image, Path) else self._row_facts(sample.image)
            mask = of_file[sample.mask, True] if isinstance(sample.mask, Path) else None
            self.facts[sample.key] = image
            if mask is not None:
                self.masks[sample.key] = mask
            if not is_encodable(sample, self.found.classes):
                self.note("bad_name", sample.key, BAD_NAME, drops=[sample.key], reason=BAD_NAME)
                self.bad.add(sample.key)
                continue
            for kind, detail, reason in sample_findings(sample, image, mask, self.found.classes, self.check.tiny_side):
                self.note(kind, sample.key, detail, drops=[sample.key], reason=reason)
                if kind in BAD:
                    self.bad.add(sample.key)
        return read

    def _row_facts(self, row: int) -> Facts:
        assert self.found.images is not None
        pixels = np.ascontiguousarray(self.found.images[row])
        constant = not (pixels != pixels[0, 0]).any()
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        height, width = pixels.shape[:2]
        return Facts(digest=digest, mode="RGB", width=width, height=height, constant=constant)

    def look_at_folders(self) -> None:
        """Junk, links, loops, and what is not used."""
        for kind, link, detail in self.folder.linked():
            start = f"{link}/"
            below = [
                each.key
                for each in self.found.samples
                if isinstance(each.image, Path) and str(each.image).startswith(start)
            ]
            detail += f"; images that are reached through it: {len(below)}" if below else ""
            self.note(kind, self.folder.shown(link), detail, drops=below)
        for kind, key, detail in self.folder.findings():
            self.note(kind, key, detail)

    def look_at_pictures(self) -> dict[str, int]:
        """The same picture in several classes; gives key → number, of the samples that share a picture.

        What ``samples.csv`` does not have is left out, whatever it shows: it takes nothing with it.
        """
        self._read_written()
        samples = [each for each in self.left if self.written is None or each.key in self.written]
        facts = [self.facts[each.key] for each in samples]
        digests = ["" if each.constant else each.digest for each in facts]
        numbers = same_pictures(digests, [each.picture for each in facts], self.check.near)
        pictures = picture_checks.shared_pictures(samples, numbers)
        groups = picture_checks.by_picture(samples, pictures)
        for keys, (key, detail, others) in picture_checks.conflicts(groups, self.facts, self.found.classes):
            self.note("conflict", key, detail, others, keys)
        for keys, (key, detail, others) in picture_checks.mask_conflicts(groups, self.facts, self._mask):
            self.note("conflict", key, detail, others, keys)
        return pictures

    def _read_written(self) -> None:
        if self.table.samples is not None:
            try:
                self.written = SamplesFile(self.table.samples).read_used()
            except DataError as error:
                self.note("split", self._root, str(error))

    @property
    def _root(self) -> str:
        return str(self.found.root or "the data set")

    def _mask(self, sample: Sample) -> np.ndarray | None:
        """Class numbers; None where the mask can't be decoded."""
        if isinstance(sample.mask, int) and self.found.masks is not None:
            return np.asarray(self.found.masks[sample.mask])
        if not isinstance(sample.mask, Path) or self.found.mask_table is None:
            return None
        try:
            return decode_mask(sample.mask, self.found.mask_table, None, self.table.max_pixels)
        except DataError:
            return None

    def split(self, pictures: Mapping[str, int]) -> tuple[dict[str, str], dict[str, str | None]]:
        """Key → split and key → group of the samples that are left."""
        samples = self.left
        if not samples:
            return {}, {}
        try:
            if self.table.samples is not None:
                written = self.written or {}
                groups = groups_of(samples, self.table.group_pattern)
                splits = [written[each.key].split if each.key in written else "left out" for each in samples]
            else:
                made, groups = self._assigned(samples, pictures)
                self.notes, splits = made.notes, made.splits.tolist()
        except DataError as error:
            self.note("split", self._root, str(error))
            return {}, {}
        keys = [each.key for each in samples]
        return dict(zip(keys, splits, strict=True)), dict(zip(keys, groups, strict=True))

    def _assigned(self, samples: Sequence[Sample], pictures: Mapping[str, int]) -> tuple[Splits, list[str | None]]:
        strata = None
        if self.task == "classification" and not self.found.multi_label:
            strata = [each.label for each in samples if isinstance(each.label, int)]
        together = (
            {each.key for each in samples if isinstance(each.image, Path)} if self.check.group_duplicates else set()
        )
        shared = {key: number for key, number in pictures.items() if key in together}
        return assign_with_pictures(samples, strata, self.table, self.seed, shared)

    def look_across_splits(self, pictures: Mapping[str, int], splits: Mapping[str, str]) -> None:
        """The same picture in several splits, or several times in one; classes of each split."""
        groups = picture_checks.by_picture(self.left, pictures)
        for keys, (key, detail, others) in picture_checks.leaks(groups, self.facts, splits):
            self.note("leak", key, detail, others, keys)
        groups = picture_checks.by_picture(self.left, pictures)
        for keys, (key, detail, others) in picture_checks.repeats(groups, self.facts, splits):
            self.note("duplicate", key, detail, others, keys)
        if self.task == "classification" and splits:
            counts = self._class_counts(splits)
            kept = self._kept(splits)
            lost = {name for number, name in enumerate(self.found.classes) if number not in kept}
            for kind, key, detail in picture_checks.class_findings(
                self.found.classes, counts, self.check.imbalance_ratio, lost
            ):
                self.note(kind, key, detail)
        elif self.task == "segmentation" and self.left:
            pixels = self._mask_pixels(splits)
            for number, name in enumerate(self.found.classes):
                if not pixels[number]:
                    self.note("too_few", name, "no pixel of it in any mask")

    def look_at_what_is_left(self, splits: Mapping[str, str], minimum_classes: int) -> None:
        """Whether there is anything to learn, now that it is clear what is used."""
        total, bad = len(self.found.samples), len(self.bad & self.dropped.keys())
        if bad and bad > self.table.max_bad_share * total:
            most = f"input.max_bad_share = {self.table.max_bad_share:.1%}"
            self.note("bad_share", self._root, f"{bad} of {total} files ({bad / total:.1%}), more than {most} allows")
        if not self.left:
            first = next(iter(self.dropped.items()), None)
            such = f"none of {total} can be used, such as {first[0]}: {first[1]}" if first else ""
            self.note("no_images", self._root, such)
            return
        if self.table.samples is not None and self.written is not None:
            self._compare_with_written()
        kept = self._kept(splits) if splits else self._all
        if len(kept) < minimum_classes:
            here, gone = ([self.found.classes[each] for each in sorted(some)] for some in (kept, self._all - kept))
            lost = f"; no image of {', '.join(gone[:8])} can be used" if gone else ""
            self.note("one_class", self._root, ", ".join(here) + lost)
        elif splits and minimum_classes > 1:
            self._look_at_training_images(splits)

    def _look_at_training_images(self, splits: Mapping[str, str]) -> None:
        trained = [each for each in self.left if splits[each.key] == "train"]
        if not trained:
            self.note("split", self._root, "no image is left to train on")
        elif self.task == "classification" and not self.found.multi_label and len({each.label for each in trained}) < 2:
            self.note(
                "one_class", self._root, f"all training images are of {label_text(trained[0], self.found.classes)}"
            )

    def _compare_with_written(self) -> None:
        assert self.table.samples is not None
        left = self.left
        aside = [*self.found.set_aside, *(SetAside(key, reason) for key, reason in self.dropped.items())]
        try:
            self.notes = repeat_splits(
                self.table.samples,
                left,
                [self._digest(each) for each in left],
                image_digest=lambda place: self.facts[left[place].key].digest,
                classes=self.found.classes,
                set_aside=aside,
            ).notes
        except DataError as error:
            self.note("split", self._root, str(error))

    def _digest(self, sample: Sample) -> str:
        """As ``Store.digests`` has it; empty for arrays of masks, which are a data set's own."""
        if sample.mask is None:
            return self.facts[sample.key].digest
        if not isinstance(sample.image, Path) or not isinstance(sample.mask, Path):
            return ""
        try:
            return hashlib.sha256(sample.image.read_bytes() + sample.mask.read_bytes()).hexdigest()
        except OSError:
            return ""

    @property
    def _all(self) -> set[int]:
        return set(range(len(self.found.classes)))

    def _kept(self, splits: Mapping[str, str]) -> set[int]:
        """The numbers of the classes that are left."""
        return classes_left(self.found, [each for each in self.left if splits.get(each.key) in get_args(Split)])

    def _class_counts(self, splits: Mapping[str, str]) -> dict[str, dict[str, float]]:
        counts: dict[str, dict[str, float]] = {name: {} for name in self.found.classes}
        for sample in self.left:
            side = splits.get(sample.key, "left out")
            for number in sample.label if isinstance(sample.label, tuple) else (sample.label,):
                if number is not None and side != "left out":
                    of_class = counts[self.found.classes[number]]
                    of_class[side] = of_class.get(side, 0) + 1
        return counts

    def _left_classes(self, splits: Mapping[str, str]) -> dict[str, dict[str, float]]:
        counts, kept = self._class_counts(splits), self._kept(splits) if splits else self._all
        return {name: counts[name] for number, name in enumerate(self.found.classes) if number in kept}

    def result(
        self, name: str, splits: Mapping[str, str], groups: Mapping[str, str | None], read: int, seconds: float
    ) -> Checked:
        """What was found, and what is left to use."""
        left = self.left
        used, left_out, set_aside = self.folder.count(self.dropped)
        sides = [splits.get(each.key, "left out") for each in left]
        order = list(KINDS)
        report = Report(
            name=name,
            findings=tuple(sorted(self.findings, key=lambda each: order.index(each.kind))),
            found=used + len(set_aside) + left_out,
            used=used,
            set_aside=set_aside,
            left_out=left_out,
            splits={side: sides.count(side) for side in ("train", "validation", "test", "left out") if side in sides},
            classes=self._left_classes(splits) if self.task == "classification" else self._shares(splits),
            read=read,
            seconds=seconds,
            files={each.key: str(each.image) for each in self.found.samples if isinstance(each.image, Path)},
        )
        return Checked(
            report=report,
            samples=tuple(left),
            set_aside=tuple(SetAside(key, reason) for key, reason in self.dropped.items()),
            bad=len(self.bad & self.dropped.keys()),
            splits={} if self.table.samples is not None else {each.key: splits[each.key] for each in left if splits},
            groups={each.key: groups.get(each.key) for each in left},
            digests={each.key: self.facts[each.key].digest for each in left},
            notes=self.notes,
        )

    def _mask_pixels(self, splits: Mapping[str, str]) -> np.ndarray:
        """Class number → pixels, int64 (256,), of the masks that are used."""
        pixels = np.zeros(256, np.int64)
        for sample in self.left:
            if splits.get(sample.key) == "left out":
                continue
            if sample.key in self.masks:
                for number, count in self.masks[sample.key].classes.items():
                    pixels[int(number)] += count
            elif isinstance(sample.mask, int) and self.found.masks is not None:
                pixels += np.bincount(self.found.masks[sample.mask].reshape(-1), minlength=256)
        return pixels

    def _shares(self, splits: Mapping[str, str]) -> dict[str, dict[str, float]]:
        counts = self._mask_pixels(splits)[: len(self.found.classes)]
        total = max(int(counts.sum()), 1)
        return {name: {"pixels": float(count / total)} for name, count in zip(self.found.classes, counts, strict=True)}


def is_encodable(sample: Sample, classes: Sequence[str]) -> bool:
    """Whether the tables of a run can name a sample: whether its key and its classes' names are in UTF-8."""
    text = sample.key + label_text(sample, classes)
    return encodable(text) == text
