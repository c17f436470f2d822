"""The findings of a check: their kinds, each with advice; counts that add up; text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tlkit.data.checks.mask_previews import MaskPreviews
from tlkit.data.images.reading import PLAIN, Reading
from tlkit.system.text import and_more, counted
from tlkit.system.visible import visible_line

Level = Literal["error", "skip", "keep"]
SHOWN = 3
"""Findings per kind that the text names; the JSON file has all of them."""

KINDS: Mapping[str, tuple[str, str]] = {
    "no_images": ("no images", "check the path; tlkit init shows what it finds in a folder"),
    "one_class": ("only one class", "add a folder with images of another class: one class leaves nothing to learn"),
    "split": ("the split can't be made", "change the option that is named, or add images"),
    "bad_share": ("too many files that can't be used", "repair or remove them, or raise input.max_bad_share"),
    "bad_name": ("names that are not in UTF-8", "rename the files, or the folders that contain them"),
    "unreadable": ("files that can't be read", "check the permissions and the disk"),
    "empty": ("empty files", "copy them again"),
    "not_image": ("files that are not images", "remove them, or convert them to JPEG or PNG"),
    "unsupported": ("images of a kind that is not read", "do what each line says, or convert them to JPEG or PNG"),
    "undecodable": ("damaged images", "copy or download them again"),
    "truncated": ("truncated images", "copy or download them again"),
    "huge": ("images too large to decode", "scale them down, or raise input.max_pixels if there is memory for them"),
    "nan": ("images with non-finite values", "check the program that wrote them"),
    "constant": ("images of one colour", "remove them if they show nothing"),
    "tiny": ("tiny images", "remove them if they are icons or previews"),
    "odd_mode": (
        "images of an unusual colour mode",
        "nothing: they are converted to RGB; look at some of them with tlkit augment if in doubt",
    ),
    "animated": ("images with several frames", "nothing: the first frame is used"),
    "lone_format": (
        "lone images of another format",
        'look at them: sites send a notice such as "image no longer available" in place of a picture; remove those, or '
        'set check.lone_format = "skip"',
    ),
    "wrong_extension": ("images with the suffix of another format", "nothing: tlkit goes by the content"),
    "value_range": (
        "few grey levels left",
        'with "auto" the range of the training images is used, and kept in the model',
    ),
    "orientation": (
        "photos that EXIF turns and whose masks it does not turn",
        'look at some with tlkit augment; for masks drawn on the stored pixels, set input.orientation = "stored"',
    ),
    "mask_missing": (
        "images and masks without a partner",
        "give image and mask the same name, or set data.image_suffix and mask_suffix; with annotations, see "
        "data.unannotated",
    ),
    "mask_size": (
        "masks that differ in size from their image",
        "export them again at the size of the image, or do what the line says",
    ),
    "mask_values": (
        "masks with unknown values",
        "correct data.values or data.ignore, save the masks without smoothing, or set data.nearest = true",
    ),
    "mask_palette": (
        "masks whose palettes have the classes in another order",
        "let the colours decide: write colours as keys of data.values; tlkit init does",
    ),
    "masks_one_class": (
        "all masks have the same class only",
        'check data.values; if another channel of the masks has their values, set data.channel, such as "alpha"',
    ),
    "mask_between": (
        "masks with values between the classes",
        "save masks as PNG, and scale them with nearest neighbour; then data.nearest is not needed",
    ),
    "mask_empty": ("masks of one class only", "check that nothing is missing from them"),
    "leak": (
        "copies and near-copies in several splits",
        'metrics on such pictures are too good; remove all but one, or set check.leak = "skip"',
    ),
    "conflict": (
        "copies and near-copies in several classes or with several masks",
        'decide for one, or set check.conflict = "skip"',
    ),
    "duplicate": (
        "copies and near-copies in one class",
        'keep one of each, or set check.duplicate = "skip"; near-copies (≈) differ a little, so look at some',
    ),
    "frames": (
        "near-copies that follow each other by name, as frames of a video do",
        "keep them, and set the input.group_pattern that is named, so that no split has frames of a sequence that "
        "another has",
    ),
    "linked_folder": ("links to other folders", 'remove the link, or set check.linked_folder = "skip"'),
    "link_cycle": ("links to a folder above", "remove the link"),
    "junk": ("files left behind by operating systems and editors", "nothing: they are never used"),
    "unused": ("files that the data set does not use", "nothing, unless they should be part of it"),
    "empty_folder": ("folders without a usable image", "put images there, or remove the folder"),
    "lost_class": (
        "classes without an image that can be used",
        "convert the files to JPEG or PNG, copy them again, or remove the folder",
    ),
    "untrained_class": (
        "classes without a training image",
        "give the class the name that it has in the training images; leave images without labels out with "
        "data.exclude, and use tlkit predict on them",
    ),
    "similar_classes": (
        "class names that differ only in their spelling",
        "rename one, so that both are the same class; if they are different classes, set "
        'check.similar_classes = "keep"',
    ),
    "mask_beside": (
        "images that look like masks of other images",
        'leave them out with data.exclude; if they are photographs, set check.mask_beside = "keep"',
    ),
    "too_few": ("classes with too few images", "add images, or merge classes"),
    "imbalance": (
        "classes of very different size",
        'add images of the smaller ones, or set train.class_weights = "balanced"',
    ),
}
"""Kind of finding → its title, and what to do about it; in the order in which findings are shown."""

NEVER_USED = ("junk", "unused", "empty_folder", "mask_missing")
"""Kinds of files and folders that are not used, whatever the policy says."""

UNUSABLE = (
    "bad_name",
    "unreadable",
    "empty",
    "not_image",
    "unsupported",
    "undecodable",
    "truncated",
    "huge",
    "mask_size",
    "mask_values",
)
"""Kinds of samples that can't be used at all."""

NEAR_COPIES = "near-copies"
"""How the detail of a finding begins whose files show nearly the same picture."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check.

    Args:
        kind: a key of ``KINDS``.
        level: what the policy says: ``error``; ``skip``: files are set aside; ``keep``: they are used.
        key: the key of the sample, or the name of the file or class.
        detail: what exactly was found.
        others: keys of the other files that are copies or near-copies.
    """

    kind: str
    level: Level
    key: str
    detail: str = ""
    others: tuple[str, ...] = ()

    @property
    def sign(self) -> str:
        """The sign between the files: ``≈`` for near-copies, ``=`` for the same bytes."""
        return "≈" if self.detail.startswith(NEAR_COPIES) else "="


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by kind, in the order of ``KINDS``; those of one kind stay in their order."""
    order = list(KINDS)
    return tuple(sorted(findings, key=lambda each: order.index(each.kind)))


@dataclass(frozen=True)
class Report:
    """The report of a check. Files found = used + set aside + left out.

    Args:
        name: the name of what was checked.
        findings: the findings in the order of ``KINDS``.
        found: the number of files that were seen, or that the data set names.
        used: the number of files that are used, as images, masks or annotations.
        set_aside: file → why it is not used, for files that the data set names.
        left_out: the number of other files that are not used: junk, and files that the data set does not name.
        splits: split → number of images.
        classes: class → split → number of images; for segmentation class → "pixels" → share of the labelled pixels.
        read: the number of files that were read; the facts of the others come from an earlier check.
        seconds: how long the check took, in seconds.
        files: sample key → path of its image, for the pictures of the page.
        reading: how these files are read.
        masks: samples to show with their masks; None where there are no masks.
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
    reading: Reading = PLAIN
    masks: MaskPreviews | None = None

    def of(self, level: Level) -> list[Finding]:
        """Return the findings of a level."""
        return [each for each in self.findings if each.level == level]

    def by_kind(self) -> dict[tuple[str, Level], list[Finding]]:
        """Return (kind, level) → findings, in the order of ``KINDS``."""
        grouped: dict[tuple[str, Level], list[Finding]] = {}
        for each in self.findings:
            grouped.setdefault((each.kind, each.level), []).append(each)
        return grouped

    def counts(self) -> str:
        """Return the counts as an equation."""
        return (
            f"{counted(self.found, 'file')} found = {self.used:,} used + {len(self.set_aside):,} set aside + "
            f"{self.left_out:,} left out"
        )

    def lines(self, shown: int = SHOWN) -> list[str]:
        """Return the findings as lines of text, errors first.

        Args:
            shown: findings per kind that are named.
        """
        lines = []
        for level, word in (("error", "error  "), ("skip", "skipped"), ("keep", "note   ")):
            for (kind, found_level), findings in self.by_kind().items():
                if found_level != level:
                    continue
                title, advice = KINDS[kind]
                lines.append(f"{word}  {title}: {len(findings)}  [{kind}]")
                lines += [f"           {text_of(each)}" for each in findings[:shown]]
                if len(findings) > shown:
                    lines.append(f"          {and_more(len(findings), shown)}")
                if not advice.startswith("nothing"):
                    lines.append(f"           → {advice}")
        return lines

    def json_text(self) -> str:
        """Return the report as JSON; bytes of file names that are not UTF-8 become question marks."""
        text = json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        return text.encode("utf-8", "replace").decode("utf-8")

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
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
    """Return a finding as one line of text."""
    others = "".join(f" {finding.sign} {other}" for other in finding.others[:4]) + and_more(len(finding.others), 4)
    detail = f": {finding.detail}" if finding.detail else ""
    return visible_line(f"{finding.key}{others}{detail}")


def encodable(text: str) -> str:
    """Escape the lone surrogates that stand for bytes of file names that are not UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
