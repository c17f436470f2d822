"""What a check found: kinds of findings, each with what to do about it; counts that add up; text and JSON."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["error", "skip", "keep"]
SHOWN = 3
"""Findings of a kind that the text names; JSON has all."""

KINDS: Mapping[str, tuple[str, str]] = {
    "no_images": ("no image", "check the path, or look at the folder with tlkit init"),
    "one_class": ("only one class", "add a folder of images of something else: one class leaves nothing to learn"),
    "split": ("the split can't be made", "change the option that is named, or add images"),
    "bad_share": ("too many files that can't be used", "mend or remove them, or raise input.max_bad_share"),
    "bad_name": ("names that are not in UTF-8", "rename the files, or the folders that they are in"),
    "unreadable": ("files that can't be read", "check permissions, and the disk"),
    "empty": ("empty files", "copy them again"),
    "not_image": ("files that are no images", "remove them, or convert them to JPEG or PNG"),
    "undecodable": ("damaged images", "copy or download them again"),
    "truncated": ("images that end too soon", "copy or download them again"),
    "huge": ("images too large to decode", "scale them down, or raise input.max_pixels if there is memory for them"),
    "nan": ("images with values that are not finite", "look at what wrote them"),
    "constant": ("images of one colour", "remove them if they show nothing"),
    "tiny": ("tiny images", "remove them if they are icons or previews"),
    "odd_mode": (
        "images of an unusual kind",
        "nothing: they are converted to RGB; look at some in tlkit augment if in doubt",
    ),
    "animated": ("images with several frames", "nothing: the first frame is used"),
    "lying_extension": ("images with a suffix of another format", "nothing: the content counts"),
    "mask_missing": (
        "images and masks without a partner",
        "give image and mask the same name, or set data.mask_suffix",
    ),
    "mask_size": ("masks of another size than their image", "export them again at the size of the image"),
    "mask_values": ("masks with unknown values", "mend data.values or data.ignore, or save masks without smoothing"),
    "mask_empty": ("masks of one class only", "make sure that nothing was forgotten in them"),
    "leak": ("the same picture in several splits", 'the figures are too good; remove it, or set check.leak = "skip"'),
    "conflict": (
        "the same picture in several classes or with several masks",
        'decide for one, or set check.conflict = "skip"',
    ),
    "duplicate": ("the same picture several times", 'keep one, or set check.duplicate = "skip"'),
    "linked_folder": ("links to other folders", 'remove the link, or set check.linked_folder = "skip"'),
    "link_cycle": ("links to a folder above", "remove the link"),
    "junk": ("left behind by systems and editors", "nothing: they are never used"),
    "unused": ("files that the data set does not use", "nothing, if they are not meant to be images of it"),
    "empty_folder": ("folders without a usable image", "put images there, or remove the folder"),
    "too_few": ("classes with too few images", "add images, or join classes"),
    "imbalance": (
        "classes of very different size",
        'add images of the rare ones, or set train.class_weights = "balanced"',
    ),
}
"""Kind → what it is, and what to do; in the order in which they are shown."""

NEVER_USED = ("junk", "unused", "empty_folder", "mask_missing")
"""Kinds of what is never used, whatever the policy says."""

UNUSABLE = (
    "bad_name",
    "unreadable",
    "empty",
    "not_image",
    "undecodable",
    "truncated",
    "huge",
    "mask_size",
    "mask_values",
)
"""Kinds of which files can't be used at all."""

_ESCAPED = ("Cc", "Cs", "Zl", "Zp")


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        kind: a key of ``KINDS``.
        level: ``error``, ``skip``: files were set aside; ``keep``.
        key: of the sample, the file or the class.
        detail: what exactly.
        others: keys of the other files of the same picture.
    """

    kind: str
    level: Level
    key: str
    detail: str = ""
    others: tuple[str, ...] = ()


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by kind, in the order of ``KINDS``; those of one kind stay in their order."""
    order = list(KINDS)
    return tuple(sorted(findings, key=lambda each: order.index(each.kind)))


@dataclass(frozen=True)
class Report:
    """What a check found.

    Args:
        name: of what was checked.
        findings: in the order of ``KINDS``.
        found: how many files were seen, or named by the data set.
        used: how many of them are used, as images or masks.
        set_aside: file → why it is not used, of those that the data set names.
        left_out: how many others are not used: junk, and what the data set does not list.
        splits: split → images.
        classes: class → split → images; for segmentation class → "pixels" → share of the labelled pixels.
        read: how many files were read; the others are as in an earlier check.
        seconds: it took.
        files: key → path, of the samples, for pictures of them.
    """

    name: str
    findings: tuple[Finding, ...]
    found: int
    used: int
    set_aside: Mapping[str, str]
    left_out: int
    splits: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    read: int = 0
    seconds: float = 0.0
    files: Mapping[str, str] = field(default_factory=dict)

    def of(self, level: Level) -> list[Finding]:
        """The findings of a level."""
        return [each for each in self.findings if each.level == level]

    def by_kind(self) -> dict[tuple[str, Level], list[Finding]]:
        """Kind and level → findings, in the order of ``KINDS``."""
        grouped: dict[tuple[str, Level], list[Finding]] = {}
        for each in self.findings:
            grouped.setdefault((each.kind, each.level), []).append(each)
        return grouped

    def counts(self) -> str:
        """The counts, which add up."""
        return (
            f"{self.found} files found = {self.used} used + {len(self.set_aside)} set aside + {self.left_out} left out"
        )

    def lines(self, shown: int = SHOWN) -> list[str]:
        """The findings as text, errors first, each with the first files and what to do."""
        lines = []
        for level, word in (("error", "error  "), ("skip", "skipped"), ("keep", "note   ")):
            for (kind, found_level), found in self.by_kind().items():
                if found_level != level:
                    continue
                title, advice = KINDS[kind]
                lines.append(f"{word}  {title}: {len(found)}  [{kind}]")
                lines += [f"           {text_of(each)}" for each in found[:shown]]
                if len(found) > shown:
                    lines.append(f"           and {len(found) - shown} more")
                if not advice.startswith("nothing"):
                    lines.append(f"           → {advice}")
        return lines

    def json_text(self) -> str:
        """All of it as JSON; bytes of file names that are no UTF-8 are shown as question marks."""
        text = json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        return text.encode("utf-8", "replace").decode("utf-8")

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "name": self.name,
            "counts": {
                "found": self.found,
                "used": self.used,
                "set_aside": len(self.set_aside),
                "left_out": self.left_out,
            },
            "splits": dict(self.splits),
            "classes": {name: dict(values) for name, values in self.classes.items()},
            "findings": [asdict(each) for each in self.findings],
            "set_aside": dict(self.set_aside),
            "read": self.read,
            "seconds": round(self.seconds, 3),
        }


def text_of(finding: Finding) -> str:
    """A finding in one line."""
    others = "".join(f" = {other}" for other in finding.others[:4])
    more = f" and {len(finding.others) - 4} more" if len(finding.others) > 4 else ""
    detail = f": {finding.detail}" if finding.detail else ""
    return one_line(f"{finding.key}{others}{more}{detail}")


def one_line(text: str) -> str:
    """The text with control characters, ends of lines and bytes that are not in UTF-8 escaped, as a name may have."""
    return "".join(
        each if unicodedata.category(each) not in _ESCAPED else each.encode("unicode_escape").decode() for each in text
    )


def encodable(text: str) -> str:
    """The text with the lone surrogates escaped that stand for bytes of file names that are not in UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
