"""Find what a data set's folder contains besides its samples, and count all files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from tlkit.contracts import Sample, SampleSet, Task, image_text
from tlkit.data.checks.findings import Report, in_order
from tlkit.data.checks.folder_scan import Scan, by_content, scan
from tlkit.data.checks.policy import Observation, Tally
from tlkit.data.checks.repeated import different
from tlkit.data.images.source import file_of
from tlkit.files import EMPTY_CLASS, EXCLUDED, NO_IMAGES, images_in, is_image
from tlkit.recipe.check_table import CheckTable
from tlkit.system.columns import Places
from tlkit.system.text import listed


@dataclass(frozen=True)
class FileCounts:
    """How many files a check found. Each file is counted once.

    Args:
        used: the number of files that are used, as images, masks or annotations.
        left_out: the number of files that are not part of the data set.
        set_aside: file → reason, of the files of the data set that are not used.
    """

    used: int
    left_out: int
    set_aside: Mapping[str, str]


class FolderCheck:
    """A scan of a sample set's folders.

    Args:
        sample_set: the sample set.
        task: the recipe's task.
    """

    def __init__(self, sample_set: SampleSet, task: Task) -> None:
        self._sample_set = sample_set
        self._task = task
        self.masks = {str(each.mask) for each in sample_set.samples if file_of(each.mask) is not None}
        self.root = _root(sample_set)
        self.images = _ImageFiles(sample_set.samples, self.root)
        self.scan = Scan() if self.root is None else _scan_all(self.root, self.masks, self._is_used)
        self._counts = _summed(self.scan.counts)
        without = {each.key for each in sample_set.set_aside if each.reason == NO_IMAGES}
        used = _counts_below(chain(self.images, self.masks)) if without else {}
        self._lost = [each for each in self.scan.folders if each.name in without and str(each) not in used]
        self._excluded = {
            self.root / each.key: each.reason
            for each in sample_set.set_aside
            if self.root is not None and each.reason.startswith(EXCLUDED) and (self.root / each.key).is_dir()
        }
        self._named = dict(self._set_aside())
        self._sources = {str(each) for each in sample_set.sources}

    def observations(self) -> Iterator[Observation]:
        """Yield the links to folders that are in the tree anyway, then everything that is not a sample."""
        for link, target in self.scan.linked.items():
            yield self._linked("linked_folder", link, f"points to {self.shown(target)}")
        for link, target in self.scan.cycles.items():
            yield self._linked("link_cycle", link, f"points to {target}, which is above it")
        yield from _junk_observations(self.scan.junk, self.shown)
        for path in self._odd():
            yield Observation("unused", self.shown(path), self.scan.odd[path])
        for name, reason in self._named.items():
            partner = self._task == "segmentation" and is_image(Path(name))
            detail = by_content(Path(name)) if reason == "not an image by its name" else ""
            yield Observation("mask_missing" if partner else "unused", self.shown(Path(name)), detail or reason)
        for folder, reason in self._excluded.items():
            count = self._counts.get(str(folder), 0)
            yield Observation("unused", self.shown(folder), f"{reason}; files in it: {count}")
        for file in self._unlisted():
            if self._excluded.keys().isdisjoint(file.parents):
                yield Observation("unused", self.shown(file), by_content(file))
        for folder in self._lost:
            yield Observation("lost_class", self.shown(folder), self._contents(folder))
        yield from self._empty()

    def count(self, excluded: Mapping[str, str]) -> FileCounts:
        """Count the files, each once even if links give it several names.

        Args:
            excluded: sample key → reason, of the samples that are set aside.
        """
        aside: dict[str, str] = {}
        for sample in self._sample_set.samples if excluded else ():
            if sample.key in excluded and not self._through_link(sample.image):
                aside |= dict.fromkeys(_files_of(sample), excluded[sample.key])
        for path in self._used(excluded) if aside else ():
            aside.pop(path, None)
        aside |= self._named
        return FileCounts(
            used=different(lambda: self._used(excluded)),
            left_out=sum(1 for _ in self._unlisted()) + sum(self.scan.junk.values()) + len(self._odd()),
            set_aside={self.shown(Path(path.lstrip("\0"))): reason for path, reason in aside.items()},
        )

    def _used(self, excluded: Container[str]) -> Iterator[str]:
        """Yield the files that are used; some several times."""
        yield from self._sources
        for sample in self._sample_set.samples:
            if sample.key not in excluded:
                yield from _files_of(sample)

    def _is_used(self, file: str) -> bool:
        return file in self.images or file in self.masks

    def _linked(self, kind: str, link: Path, detail: str) -> Observation:
        """Return an observation about a link, with the samples that are reached through it."""
        below = tuple(
            each.key
            for each in self._sample_set.samples
            if file_of(each.image) is not None and str(each.image).startswith(f"{link}/")
        )
        if below:
            detail += f"; images reached through it: {len(below)}"
        return Observation(kind, self.shown(link), detail, affected=below)

    def _through_link(self, file: Path | int) -> bool:
        return any(str(file).startswith(f"{link}{os.sep}") for link in (*self.scan.linked, *self.scan.cycles))

    def shown(self, path: Path) -> str:
        """Return a path as messages show it: relative to the root if it is below the root."""
        if self.root is not None and path != self.root and path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return str(path)

    def _contents(self, folder: Path) -> str:
        """Return what is in a class folder without images."""
        files = [Path(file) for file in self.scan.files if file.startswith(f"{folder}{os.sep}")]
        suffixes = Counter(file.suffix.lower() or "no suffix" for file in files)
        shown = listed([f"{suffix} {count}" for suffix, count in suffixes.most_common()], 4)
        why = next((text for file in files if (text := by_content(file))), "")
        return f"none of its {len(files)} files is an image by its name ({shown})" + (
            f"; the first {why}" if why else ""
        )

    def _set_aside(self) -> Iterator[tuple[str, str]]:
        """Yield path and reason of the files that the data set itself sets aside; ``_empty`` covers folders."""
        for each in self._sample_set.set_aside:
            candidates = ([] if self.root is None else [self.root / each.key]) + [Path(each.key)]
            path = next((candidate for candidate in candidates if os.path.lexists(candidate)), candidates[0])
            if not path.is_dir() and each.reason not in (NO_IMAGES, EMPTY_CLASS):
                yield str(path), each.reason

    def _unlisted(self) -> Iterator[Path]:
        return (Path(file) for file in self.scan.files if file not in self._sources and file not in self._named)

    def _odd(self) -> list[Path]:
        known = self._sources | self._named.keys()
        return [path for path in self.scan.odd if not (self._is_used(str(path)) or str(path) in known)]

    def _empty(self) -> Iterator[Observation]:
        """Yield the folders without a sample; of nested ones only the outermost."""
        used = _counts_below(chain(self.images, self.masks, self._sources))
        empty = {str(folder) for folder in self.scan.folders if str(folder) not in used}
        for folder in sorted(empty):
            known = Path(folder) in self._lost or Path(folder) in self._excluded
            if str(Path(folder).parent) not in empty and not known:
                inside = self._counts.get(folder, 0)
                detail = f"none of the files in it is used: {inside}" if inside else "contains no files"
                yield Observation("empty_folder", self.shown(Path(folder)), detail)


def _files_of(sample: Sample) -> list[str]:
    """Return the files of a sample; in place of an image that is no file, a text that no file has."""
    mask = file_of(sample.mask)
    return [image_text(sample) or f"\0{sample.key}", *([] if mask is None else [str(mask)])]


class _ImageFiles:
    """The files of the images of samples; most need not be kept, because their keys are their paths below the root.

    Args:
        samples: the samples.
        root: the folder that keys are relative to; None if there is none.
    """

    def __init__(self, samples: Sequence[Sample], root: Path | None) -> None:
        self._before = "" if root is None else str(root / "x")[:-1]
        self._samples = samples
        self._keys = Places(each.key for each in samples)
        self._others = {file for each in samples if (file := image_text(each)) and file != self._before + each.key}

    def __contains__(self, file: str) -> bool:
        key = file[len(self._before) :]
        place = self._keys.get(key) if file.startswith(self._before) else -1
        return (place >= 0 and image_text(self._samples[place]) == file) or file in self._others

    def __iter__(self) -> Iterator[str]:
        return (file for each in self._samples if (file := image_text(each)) is not None)


def unlabelled(root: Path) -> SampleSet:
    """Return the images below a folder without class folders, as samples without labels.

    Raises:
        DataError: a folder can't be listed.
    """
    files = sorted((file.relative_to(root).as_posix(), file) for file in images_in(root))
    samples = tuple(Sample(key, file, label=()) for key, file in files)
    return SampleSet(samples=samples, classes=(), multi_label=True, root=root.resolve())


def with_beside(report: Report, outer: Path, inner: Sequence[Path], check: CheckTable) -> Report:
    """Add the files beside the folders that were checked to a report, as left out.

    Args:
        report: the report of the check.
        outer: the folder that the user named.
        inner: the folders below it that were checked.
        check: the recipe's ``[check]`` table.
    """
    checked = [folder.resolve() for folder in inner]
    inside: dict[str, bool] = {}

    def is_inside(file: str) -> bool:
        parent = os.path.dirname(file)  # noqa: PTH120 - many
        if parent not in inside:
            real = Path(parent).resolve()
            inside[parent] = any(real.is_relative_to(folder) for folder in checked)
        return inside[parent]

    contents = scan(outer, is_inside)
    junk = {path: count for path, count in contents.junk.items() if not is_inside(str(path))}
    unused = {path: reason for path, reason in contents.odd.items() if not is_inside(str(path))}
    unused |= {path: by_content(path) for path in map(Path, contents.files)}
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
    """Return folder → number of the files in it and below it."""
    return _summed(Counter(file.rpartition(os.sep)[0] for file in files))


def _summed(directly: Mapping[str, int]) -> dict[str, int]:
    """Return folder → number of the files in it and below it, from those directly in it."""
    counts: Counter[str] = Counter()
    for parent, count in directly.items():
        for folder in (Path(parent), *Path(parent).parents):
            counts[str(folder)] += count
    return counts


def _root(sample_set: SampleSet) -> Path | None:
    """Return the root as the samples' paths spell it; the data set may name it with its links resolved."""
    if sample_set.root is None or not sample_set.samples:
        return sample_set.root
    first = sample_set.samples[0]
    image = file_of(first.image)
    if image is None:
        return None
    text, end = image.as_posix(), "/" + first.key
    if text.endswith(end) and len(text) > len(end):
        return Path(text[: -len(end)])
    return sample_set.root if image.is_relative_to(sample_set.root) else None


def _scan_all(root: Path, masks: set[str], is_used: Callable[[str], bool]) -> Scan:
    """Scan the root, and the folder of masks outside it; the files that are used are left out."""
    contents = scan(root, is_used)
    outside = sorted(mask for mask in masks if not Path(mask).is_relative_to(root))
    if outside:
        folder = Path(os.path.commonpath([os.path.dirname(mask) for mask in outside]))  # noqa: PTH120 - as text
        other = scan(folder, is_used)
        contents.counts |= other.counts
        known = set(contents.files)
        contents.files += [file for file in other.files if file not in known]
        contents.folders += [each for each in other.folders if each not in contents.folders]
        contents.junk |= other.junk
        contents.odd |= other.odd
        contents.linked |= other.linked
        contents.cycles |= other.cycles
    return contents
