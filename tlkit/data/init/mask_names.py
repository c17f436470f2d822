"""Guess how images and masks are named, and which folders hold them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

MASK_WORDS = [
    "mask",
    "masks",
    "label",
    "labels",
    "annot",
    "annots",
    "annotation",
    "annotations",
    "segmentation",
    "segmentations",
    "segmentationclass",
    "seg",
    "segs",
    "trimap",
    "trimaps",
    "gt",
    "gts",
    "groundtruth",
    "truth",
    "manual",
    "semantic",
    "target",
    "targets",
    "matte",
    "mattes",
    "gtfine",
    "gtcoarse",
    "labelids",
]
"""Words in the names of folders and files of masks, in lower case."""
_PREFERRED = (
    "labelids", "labelid", "labels", "masks", "segmentationclass", "trimaps", "manual", "semantic", "groundtruth",
)  # fmt: skip
"""Words of the likeliest masks where several readings fit; a ``mask`` beside a ``manual`` is a field of view."""
_UNLIKELY = ("instance", "instanceids", "instances", "instanceid", "segmentationobject", "color", "colors", "polygons")
_SAMPLE = 2000
_SHARE = 0.5
"""Share of the images that must have a prefix or a suffix."""
_TRIED = 5
"""Maximum number of prefixes, and of suffixes, to try on either side."""

Name = tuple[str, str]
"""The folder below its side's root, and the file's name without suffix."""


@dataclass(frozen=True)
class Affixes:
    """What stands before and behind the name that an image and its mask share."""

    image_prefix: str = ""
    image_suffix: str = ""
    mask_prefix: str = ""
    mask_suffix: str = ""

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """All four."""
        return self.image_prefix, self.image_suffix, self.mask_prefix, self.mask_suffix

    @property
    def cost(self) -> tuple[int, int]:
        """How many there are, and their length."""
        return sum(map(bool, self.parts)), sum(map(len, self.parts))


def words(name: str) -> list[str]:
    """Return the words of a name in lower case: ``gtFine_labelIds`` → gt, fine, gtfine, labelids …"""
    pieces = [each for each in re.split(r"[^A-Za-z]+", name) if each]
    camel = [each for piece in pieces for each in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", piece)]
    return list(dict.fromkeys(each.lower() for each in (*pieces, *camel, *_joined(camel))))


def _joined(camel: Sequence[str]) -> Iterator[str]:
    return (one + other for one, other in pairwise(camel))


def names_masks(name: str) -> bool:
    """Return whether the name of a folder or of files says that they are masks."""
    lower = name.lower()
    return any(word in MASK_WORDS for word in words(name)) or bool(
        re.search(r"(train|training|val|valid|validation|test|testing)(annots?|masks?|labels?|gts?|seg)$", lower)
    )


def likelihood(name: str) -> int:
    """Return how likely masks of this name are the ones to learn from; higher is likelier."""
    parts = words(name)
    if any(each in _UNLIKELY for each in parts):
        return -1
    return next((len(_PREFERRED) - rank for rank, each in enumerate(_PREFERRED) if each in parts), 0)


def differs(stem: str, others: Sequence[str]) -> str:
    """Return a phrase about a name that differs from ``stem`` in case or leading zeros only; empty without one."""

    def plain(name: str) -> str:
        return re.sub(r"(?<!\d)0+(?=\d)", "", name.casefold())

    other = next((each for each in others if plain(each) == plain(stem)), None)
    return "" if other is None else f"; {other} differs in case or leading zeros only: give both the same name"


def best_affixes(images: Sequence[Name], masks: Sequence[Name], *, together: bool) -> list[tuple[int, Affixes]]:
    """Return the affixes that pair most images with a mask, each with the number of pairs, the best first.

    Args:
        images: the images.
        masks: the masks; the same names as ``images`` if both are in one folder.
        together: whether both are in one folder.
    """
    step = 1 if together else max(1, len(images) // _SAMPLE)
    some = images[::step]
    if together:
        # Half of the files, or fewer, are masks.
        affixes = _affixes(images, 1 / 3)
        image_prefixes, image_suffixes = mask_prefixes, mask_suffixes = affixes
        mask_suffixes = [each for each in mask_suffixes if not each or names_masks(each) or each in ("_L", "-L")]
        mask_prefixes = [each for each in mask_prefixes if not each or names_masks(each)]
        if len(mask_prefixes) == len(mask_suffixes) == 1:
            return []
    else:
        image_prefixes, image_suffixes = _affixes(images, 1)
        mask_prefixes, mask_suffixes = _affixes(masks, min(1.0, len(images) / max(len(masks), 1)))
    image_cores = {each: _cores(some, *each) for each in product(image_prefixes, image_suffixes)}
    mask_cores = {each: _cores(masks, *each) for each in product(mask_prefixes, mask_suffixes)}
    found = []
    for (image_key, here), (mask_key, there) in product(image_cores.items(), mask_cores.items()):
        if together and (image_key == mask_key or mask_key == ("", "")):
            continue
        matched = len(here & there)
        if matched:
            found.append((matched * step, Affixes(*image_key, *mask_key)))
    return sorted(found, key=lambda each: (-each[0], -likelihood(each[1].mask_suffix), each[1].cost, each[1].parts))


def _cores(names: Iterable[Name], prefix: str, suffix: str) -> set[Name]:
    return {
        (folder, stem[len(prefix) : len(stem) - len(suffix)])
        for folder, stem in names
        if stem.startswith(prefix) and stem.endswith(suffix) and len(stem) >= len(prefix) + len(suffix)
    }


def _affixes(names: Sequence[Name], share: float) -> tuple[list[str], list[str]]:
    """Return the prefixes and the suffixes that many names have, each with "" as the first.

    Args:
        names: the names.
        share: the share of them that belongs together.
    """
    # Neighbours, because of files in one folder every second may be a mask.
    some = names if len(names) <= 2 * _SAMPLE else [*names[:_SAMPLE], *names[-_SAMPLE:]]
    stems = [stem for _, stem in some]
    return _beginnings(stems, share * len(stems)), _endings(stems, share * len(stems))


def _endings(stems: Sequence[str], least: float) -> list[str]:
    """Return "", and the endings from a separator on that many names have, the most frequent first."""
    counts: Counter[str] = Counter()
    for stem in stems:
        starts = [match.start() for match in re.finditer(r"[^0-9A-Za-z]", stem) if match.start()]
        counts.update(stem[start:] for start in starts[-4:])
        counts[stem] += not starts and not any(each.isdigit() for each in stem)
    return ["", *_common(counts, least, len(stems))]


def _beginnings(stems: Sequence[str], least: float) -> list[str]:
    """Return "", and the beginnings up to a separator or a digit that many names have, the most frequent first."""
    counts: Counter[str] = Counter()
    for stem in stems:
        ends = [match.end() for match in re.finditer(r"[^0-9A-Za-z]+", stem)][:2]
        letters = re.match(r"[A-Za-z]+(?=\d)", stem)
        counts.update({stem[:end] for end in (*ends, *([letters.end()] if letters else []))})
    return ["", *_common(counts, least, len(stems))]


def _common(counts: Counter[str], together: float, total: int) -> list[str]:
    least = max(1, _SHARE * together)
    wanted = [
        each
        for each, count in counts.items()
        if count >= least and (any(map(str.isalpha, each)) or (count == total and total > 1))
    ]
    return sorted(wanted, key=lambda each: (-counts[each], len(each), each))[:_TRIED]
