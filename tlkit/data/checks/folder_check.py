"""What a data set's folder holds besides its samples, and counts of all files that add up."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tlkit.contracts import Sample, SampleSet, Task
from tlkit.data.checks.findings import Report, in_order
from tlkit.data.checks.folder_scan import Scan, by_content, scan
from tlkit.data.checks.policy import Observation, Tally
from tlkit.files import images_in, is_image
from tlkit.recipe.schema import CheckTable


@dataclass(frozen=True)
class FileCounts:
    """How many files a check found; each is counted once.

    Args:
        used: the number of files that are used, as images or masks.
        left_out: the number of files that are not part of the data set.
        set_aside: file → reason, of the files of the data set that are not used.
    """

    used: int
    left_out: int
    set_aside: Mapping[str, str]


class FolderCheck:
    """The folders of a sample set, looked at.

    Args:
        found: the sample set.
        task: of the recipe.
    """

    def __init__(self, found: SampleSet, task: Task) -> None:
        self._found = found
        self._task = task
        self.images = {str(each.image) for each in found.samples if isinstance(each.image, Path)}
        self.masks = {str(each.mask) for each in found.samples if isinstance(each.mask, Path)}
        self.root = _root(found)
        self.scan = Scan() if self.root is None else _scan_all(self.root, self.masks)
        self._named = dict(self._set_aside())

    def observations(self) -> Iterator[Observation]:
        """Yield the links to folders that are in the tree anyway, then everything that is no sample."""
        for link, target in self.scan.linked.items():
            yield self._linked("linked_folder", link, f"leads to {self.shown(target)}")
        for link, target in self.scan.cycles.items():
            yield self._linked("link_cycle", link, f"leads to {target}, which is above it")
        yield from _junk_observations(self.scan.junk, self.shown)
        for path in self._odd():
            yield Observation("unused", self.shown(path), self.scan.odd[path])
        for name, reason in self._named.items():
            partner = self._task == "segmentation" and is_image(Path(name))
            detail = by_content(Path(name)) if reason == "not an image by its name" else ""
            yield Observation("mask_missing" if partner else "unused", self.shown(Path(name)), detail or reason)
        for file in self._unlisted():
            yield Observation("unused", self.shown(file), by_content(file))
        yield from self._empty()

    def count(self, excluded: Mapping[str, str]) -> FileCounts:
        """Count each file once, even if links give it several names.

        Args:
            excluded: sample key → reason, of the samples that are set aside.
        """
        used: set[str] = set()
        aside: dict[str, str] = {}
        for sample in self._found.samples:
            if sample.key in excluded and self._through_link(sample.image):
                continue
            for file in (sample.image, sample.mask):
                path = str(file) if isinstance(file, Path) else f"\0{sample.key}" if file is sample.image else None
                if path is None:
                    continue
                if sample.key in excluded:
                    aside[path] = excluded[sample.key]
                else:
                    used.add(path)
        aside = {path: reason for path, reason in aside.items() if path not in used} | self._named
        return FileCounts(
            used=len(used),
            left_out=sum(1 for _ in self._unlisted()) + sum(self.scan.junk.values()) + len(self._odd()),
            set_aside={self.shown(Path(path.lstrip("\0"))): reason for path, reason in aside.items()},
        )

    def _linked(self, kind: str, link: Path, detail: str) -> Observation:
        below = tuple(
            each.key
            for each in self._found.samples
            if isinstance(each.image, Path) and str(each.image).startswith(f"{link}/")
        )
        if below:
            detail += f"; images that are reached through it: {len(below)}"
        return Observation(kind, self.shown(link), detail, affected=below)

    def _through_link(self, file: Path | int) -> bool:
        return any(str(file).startswith(f"{link}{os.sep}") for link in (*self.scan.linked, *self.scan.cycles))

    def shown(self, path: Path) -> str:
        """A path as it is told: below the root, if it is."""
        if self.root is not None and path != self.root and path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return str(path)

    def _set_aside(self) -> Iterator[tuple[str, str]]:
        """Path → reason of the files that the data set itself sets aside; folders are told of otherwise."""
        for each in self._found.set_aside:
            candidates = ([] if self.root is None else [self.root / each.key]) + [Path(each.key)]
            path = next((candidate for candidate in candidates if os.path.lexists(candidate)), candidates[0])
            if not path.is_dir():
                yield str(path), each.reason

    def _unlisted(self) -> Iterator[Path]:
        known = self._known()
        return (file for file in self.scan.files if str(file) not in known)

    def _odd(self) -> list[Path]:
        known = self._known()
        return [path for path in self.scan.odd if str(path) not in known]

    def _known(self) -> set[str]:
        """The files that the data set names."""
        return self.images | self.masks | self._named.keys()

    def _empty(self) -> Iterator[Observation]:
        full = _counts_below([*self.images, *self.masks])
        counts = _counts_below(map(str, self.scan.files))
        bare = {str(folder) for folder in self.scan.folders if str(folder) not in full}
        for folder in sorted(bare):
            if str(Path(folder).parent) not in bare:
                inside = counts.get(folder, 0)
                detail = f"none of the files in it is used: {inside}" if inside else "there is no file in it"
                yield Observation("empty_folder", self.shown(Path(folder)), detail)


def unlabelled(root: Path) -> SampleSet:
    """The images below a folder that has no class folders, as samples without a label.

    Raises:
        DataError: a folder can't be listed.
    """
    files = sorted((file.relative_to(root).as_posix(), file) for file in images_in(root))
    samples = tuple(Sample(key, file, label=()) for key, file in files)
    return SampleSet(samples=samples, classes=(), multi_label=True, root=root.resolve())


def with_beside(report: Report, outer: Path, inner: Sequence[Path], check: CheckTable) -> Report:
    """The report, with what lies in a folder, but beside the folders in it that were checked; it is left out.

    Args:
        report: of the check.
        outer: the folder that was to be checked.
        inner: the folders in it that were.
        check: the recipe's ``[check]``.
    """
    found = scan(outer)
    used = [folder.resolve() for folder in inner]
    inside: dict[Path, bool] = {}

    def beside(path: Path) -> bool:
        if path.parent not in inside:
            real = path.parent.resolve()
            inside[path.parent] = any(real.is_relative_to(folder) for folder in used)
        return not inside[path.parent]

    junk = {path: count for path, count in found.junk.items() if beside(path)}
    unused = {path: reason for path, reason in found.odd.items() if beside(path)}
    unused |= {path: by_content(path) for path in found.files if beside(path)}
    tally = Tally((), check).add(_junk_observations(junk, str))
    tally = tally.add(
        Observation("unused", str(path), reason or "beside the data set") for path, reason in unused.items()
    )
    count = sum(junk.values()) + len(unused)
    return replace(
        report,
        findings=in_order((*report.findings, *tally.findings)),
        found=report.found + count,
        left_out=report.left_out + count,
    )


def _junk_observations(junk: Mapping[Path, int], shown: Callable[[Path], str]) -> Iterator[Observation]:
    for path, count in junk.items():
        yield Observation("junk", shown(path), "" if count == 1 else f"{count} files")


def _counts_below(files: Iterable[str]) -> dict[str, int]:
    """Folder → how many of the files lie in it or below it."""
    counts: Counter[str] = Counter()
    for parent, count in Counter(os.path.dirname(file) for file in files).items():  # noqa: PTH120 - many, as text
        for folder in (Path(parent), *Path(parent).parents):
            counts[str(folder)] += count
    return counts


def _root(found: SampleSet) -> Path | None:
    """The root as the samples' own paths have it: a data set may give it with its links followed."""
    if found.root is None:
        return None
    for sample in found.samples:
        if isinstance(sample.image, Path):
            text, end = sample.image.as_posix(), "/" + sample.key
            if text.endswith(end) and len(text) > len(end):
                return Path(text[: -len(end)])
            return found.root if sample.image.is_relative_to(found.root) else None
        return None
    return found.root


def _scan_all(root: Path, masks: set[str]) -> Scan:
    found = scan(root)
    beside = sorted(mask for mask in masks if not Path(mask).is_relative_to(root))
    if beside:
        folder = Path(os.path.commonpath([os.path.dirname(mask) for mask in beside]))  # noqa: PTH120 - as text
        other = scan(folder)
        have = {str(file) for file in found.files}
        found.files += [file for file in other.files if str(file) not in have]
        found.folders += [each for each in other.folders if each not in found.folders]
        found.junk |= other.junk
        found.odd |= other.odd
        found.linked |= other.linked
        found.cycles |= other.cycles
    return found
