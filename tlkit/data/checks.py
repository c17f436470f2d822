"""Every file of a data set looked at before the first step: what is wrong, what is odd, what stands there twice."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tlkit.contracts import Sample, SampleSet, SetAside, Task
from tlkit.data import picture_checks
from tlkit.data.duplicates import same_pictures
from tlkit.data.file_facts import Facts, Reading, read_facts
from tlkit.data.findings import BAD, KINDS, Finding, Level, Report
from tlkit.data.folder_check import FolderCheck
from tlkit.data.kept_facts import KeptFacts
from tlkit.data.picture_splits import assign_with_pictures
from tlkit.data.sample_checks import sample_findings
from tlkit.data.splits import Splits, groups_of, read_samples_csv
from tlkit.data.store import Progress
from tlkit.errors import DataError
from tlkit.recipe.schema import CheckTable, InputTable

_LISTED = 20


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
        notes: what is worth telling about the splits.
    """

    report: Report
    samples: tuple[Sample, ...]
    set_aside: tuple[SetAside, ...]
    bad: int
    splits: Mapping[str, str]
    groups: Mapping[str, str | None]
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
    kept: KeptFacts | None = None,
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

    Raises:
        DataError: the ``samples.csv`` of ``[input]`` can't be read.
    """
    began = time.monotonic()
    job = _Check(found, table, check, task, seed)
    read = job.look_at_files(kept or KeptFacts.of_user(), progress)
    job.look_at_folders(minimum_classes)
    pictures = job.look_at_pictures()
    splits, groups = job.split(pictures)
    job.look_across_splits(pictures, splits)
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
        self.mask_pixels = np.zeros(256, np.int64)

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

    def look_at_files(self, kept: KeptFacts, progress: Progress | None) -> int:
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
            for kind, detail, reason in sample_findings(sample, image, mask, self.found.classes, self.check.tiny_side):
                self.note(kind, sample.key, detail, drops=[sample.key], reason=reason)
                if kind in BAD:
                    self.bad.add(sample.key)
            self._count_pixels(sample, mask)
        return read

    def _row_facts(self, row: int) -> Facts:
        assert self.found.images is not None
        pixels = np.ascontiguousarray(self.found.images[row])
        constant = not (pixels != pixels[0, 0]).any()
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        height, width = pixels.shape[:2]
        return Facts(digest=digest, mode="RGB", width=width, height=height, constant=constant)

    def _count_pixels(self, sample: Sample, mask: Facts | None) -> None:
        if sample.key in self.dropped:
            return
        if mask is not None:
            for number, count in mask.classes.items():
                self.mask_pixels[int(number)] += count
        elif isinstance(sample.mask, int) and self.found.masks is not None:
            self.mask_pixels += np.bincount(self.found.masks[sample.mask].reshape(-1), minlength=256)

    def look_at_folders(self, minimum_classes: int) -> None:
        """Junk, links, loops, what is not used, and whether there is anything to learn."""
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
        root = str(self.found.root or "the data set")
        if not self.left:
            self.note("no_images", root, f"none of {len(self.found.samples)} can be used" if self.found.samples else "")
        elif len(self.found.classes) < minimum_classes:
            self.note("one_class", root, ", ".join(self.found.classes))

    def look_at_pictures(self) -> dict[str, int]:
        """The same picture in several classes; gives key → number, of the samples that share a picture."""
        samples = self.left
        facts = [self.facts[each.key] for each in samples]
        digests = ["" if each.constant else each.digest for each in facts]
        numbers = same_pictures(digests, [each.picture for each in facts], self.check.near)
        pictures = picture_checks.shared_pictures(samples, numbers)
        groups = picture_checks.by_picture(samples, pictures)
        for keys, (key, detail, others) in picture_checks.conflicts(groups, self.facts, self.found.classes):
            self.note("conflict", key, detail, others, keys)
        return pictures

    def split(self, pictures: Mapping[str, int]) -> tuple[dict[str, str], dict[str, str | None]]:
        """Key → split and key → group of the samples that are left."""
        samples = self.left
        if not samples:
            return {}, {}
        try:
            if self.table.samples is not None:
                written = read_samples_csv(self.table.samples)
                groups = groups_of(samples, self.table.group_pattern)
                splits = [written[each.key].split if each.key in written else "left out" for each in samples]
            else:
                made, groups = self._assigned(samples, pictures)
                self.notes, splits = made.notes, made.splits.tolist()
        except DataError as error:
            self.note("split", str(self.found.root or "the data set"), str(error))
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
            for kind, key, detail in picture_checks.class_findings(
                self.found.classes, counts, self.check.imbalance_ratio
            ):
                self.note(kind, key, detail)
        elif self.task == "segmentation" and self.left:
            for number, name in enumerate(self.found.classes):
                if not self.mask_pixels[number]:
                    self.note("too_few", name, "no pixel of it in any mask")

    def _class_counts(self, splits: Mapping[str, str]) -> dict[str, dict[str, float]]:
        counts: dict[str, dict[str, float]] = {name: {} for name in self.found.classes}
        for sample in self.left:
            side = splits.get(sample.key, "left out")
            for number in sample.label if isinstance(sample.label, tuple) else (sample.label,):
                if number is not None and side != "left out":
                    of_class = counts[self.found.classes[number]]
                    of_class[side] = of_class.get(side, 0) + 1
        return counts

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
            classes=self._class_counts(splits) if self.task == "classification" else self._shares(),
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
            notes=self.notes,
        )

    def _shares(self) -> dict[str, dict[str, float]]:
        counts = self.mask_pixels[: len(self.found.classes)]
        total = max(int(counts.sum()), 1)
        return {name: {"pixels": float(count / total)} for name, count in zip(self.found.classes, counts, strict=True)}
