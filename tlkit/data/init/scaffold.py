"""From a survey of a folder to a commented recipe."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tlkit.data.images.mask_classes import value_text
from tlkit.data.init.survey import Survey
from tlkit.errors import DataError

TARGETS = ("trimap", "pet", "species", "breed")
"""What can be learnt from the Oxford-IIIT Pet data set."""


FEW = 2000
"""Below so many training images only the head is trained."""


@dataclass(frozen=True)
class Choices:
    """What ``tlkit init`` lets a user decide.

    Args:
        backbone: name of the backbone.
        weights: its weights.
        target: for the Oxford-IIIT Pet layout: trimap, pet, species or breed.
    """

    backbone: str = "MobileNetV2"
    weights: str = "imagenet"
    target: str = "trimap"


def describe(found: Survey) -> list[str]:
    """What was seen, a line each."""
    lines = []
    if found.layout == "classes":
        lines.append(f"{found.root}: {found.total} images in {len(found.classes)} class folders")
        for split, counts in found.counts.items():
            title = f"  {split or 'all'}: {sum(counts.values())} images"
            lines.append(f"{title}, {min(counts.values())} to {max(counts.values())} a class")
        for name in found.classes[:40]:
            shown = ", ".join(f"{counts.get(name, 0)} {split}".strip() for split, counts in found.counts.items())
            lines.append(f"    {name}: {shown}")
        if len(found.classes) > 40:
            lines.append(f"    and {len(found.classes) - 40} more")
    elif found.layout == "masks":
        lines.append(f"{found.root}: {found.total} images in {found.images}, masks in {found.masks}")
        lines += [f"  {split}: {counts['']} images" for split, counts in found.counts.items() if split]
        shares = {**found.values.classes, **found.values.ignored}
        for value, share in list(shares.items())[:12]:
            what = "colour" if isinstance(value, tuple) else "value"
            lines.append(f"    mask {what} {value_text(value)}: {_percent(share)} of the pixels")
        if len(shares) > 12:
            lines.append(f"    and {len(shares) - 12} more")
        if found.values.others:
            others = len(found.values.others)
            rest = _percent(sum(found.values.others.values()))
            lines.append(f"    {others} other value{'s' if others > 1 else ''}: {rest} of the pixels")
    else:
        lines.append(f"{found.root}: the Oxford-IIIT Pet data set, {found.total} images with trimaps")
    if found.sizes:
        widths, heights = [w for w, _ in found.sizes], [h for _, h in found.sizes]
        lines.append(
            f"  sizes: {min(widths)}x{min(heights)} to {max(widths)}x{max(heights)}, "
            f"median {median(widths):.0f}x{median(heights):.0f} (width x height)"
        )
        lines.append("  formats: " + ", ".join(f"{name} {count}" for name, count in found.formats.items()))
    lines += [f"  note: {note}" for note in found.notes]
    if found.unreadable:
        lines.append(f"  {found.unreadable} of the files that were opened are not images; a run sets them aside")
    return lines


def recipe_text(found: Survey, file_name: str, choices: Choices) -> str:
    """A recipe for the folder, with a comment beside each choice.

    Raises:
        DataError: the name of the recipe or of a folder is no Unicode text.
    """
    for name in (*found.root.parts, *Path(file_name).parts, found.mask_suffix):
        _check_name(name)
    segmentation = found.layout == "masks" or (found.layout == "oxford_pets" and choices.target in ("trimap", "pet"))
    train = found.counts.get("train") or found.counts.get("", {})
    images = sum(train.values())
    parts = [
        _opening(found, file_name, segmentation),
        _data(found, choices),
        _input(found, images, segmentation),
        _backbone(choices),
        _head(segmentation),
        _augment(few=not segmentation and images < FEW),
        _schedule(images, segmentation, choices.weights != "none"),
        _train(train, segmentation),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _opening(found: Survey, file_name: str, segmentation: bool) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", found.root.resolve().name).strip("-._") or "images"
    task = "segmentation" if segmentation else "classification"
    return "\n".join(
        [
            f"# Written by tlkit init for {' '.join(found.root.as_posix().split())}: {found.total} images.",
            "#",
            f"#     tlkit run {' '.join(file_name.split())}",
            "#",
            "# Every value can be changed here, or for one run with --set, such as --set input.batch_size=16.",
            *(() if found.root.is_absolute() else ("# Paths are relative to the folder that tlkit is run in.",)),
            "",
            f"name = {json.dumps(name)}",
            f'task = "{task}"',
            _beside("seed = 0", "another seed: another split, other first weights"),
        ]
    )


def _data(found: Survey, choices: Choices) -> str:
    if found.layout == "classes":
        return "\n".join(["[data]", _beside('name = "folder"', "a folder a class"), f"path = {path_text(found.root)}"])
    if found.layout == "oxford_pets":
        others = ", ".join(f'"{each}"' for each in TARGETS if each != choices.target)
        target = _beside(f'target = "{choices.target}"', f"or {others}")
        return "\n".join(["[data]", 'name = "oxford_pets"', f"path = {path_text(found.root)}", target])
    assert found.images is not None
    assert found.masks is not None
    lines = ["[data]", 'name = "masks"', f"images = {path_text(found.images)}", f"masks = {path_text(found.masks)}"]
    if found.mask_suffix:
        lines.append(f"mask_suffix = {json.dumps(found.mask_suffix)}")
    if ignored := found.values.ignored:
        listed = f"ignore = {json.dumps([value_text(value) for value in ignored])}"
        share = _percent(sum(ignored.values()))
        lines.append(_beside(listed, f"by custom, pixels that nobody labelled; {share} of all"))
    shares = {value_text(value): share for value, share in found.values.classes.items()}
    lines.append("# Mask value = class name. Please give the classes their real names.")
    lines.append("[data.values]")
    for key, name in _class_names(found, list(shares)).items():
        lines.append(_beside(f"{json.dumps(key)} = {json.dumps(name)}", f"{_percent(shares[key])} of the pixels"))
    return "\n".join(lines)


def _class_names(found: Survey, keys: Sequence[str]) -> dict[str, str]:
    """Mask value → a first name for its class."""
    if list(keys) == ["1", "2", "3"] and found.masks is not None and found.masks.name.lower() == "trimaps":
        return {"1": "pet", "2": "background", "3": "border"}
    if len(keys) == 2 and keys[0] in ("0", "#000000"):
        return {keys[0]: "background", keys[1]: "object"}
    names = {key: f"class_{key.lstrip('#')}" for key in keys}
    if "0" in names:
        names["0"] = "background"
    return names


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "under 0.1%"


def _beside(text: str, comment: str) -> str:
    """A line with a comment beside it, in one column with the others."""
    return f"{text:<27} # {comment}"


def _input(found: Survey, images: int, segmentation: bool) -> str:
    small = bool(found.sizes) and median(min(size) for size in found.sizes) < 100
    shape = median(width / height for width, height in found.sizes) if found.sizes else 1.0
    large = bool(found.sizes) and median(min(size) for size in found.sizes) >= 288
    batch = 8 if images < 100 else 16 if segmentation or images < 400 else 32
    lines = ["[input]"]
    if small:
        lines.append(_beside("image_size = 96", "the images are small; larger takes longer"))
    elif large and not segmentation:
        lines.append(_beside("image_size = 288", "a little more than the weights' 224 sees more; 224 is quicker"))
    else:
        detail = "384 shows finer detail" if segmentation else "what the weights were trained on; larger sees more"
        lines.append(_beside("image_size = 224", f"{detail} and takes longer"))
    if 2 / 3 <= shape <= 3 / 2:
        lines.append(_beside('resize = "stretch"', 'or "crop" (the middle), "pad" (black borders)'))
    else:
        lines.append(_beside('resize = "pad"', 'the images are far from square; or "stretch", "crop" (the middle)'))
    lines.append(_beside(f"batch_size = {batch}", f"for {images} images to train on; halve it if memory runs out"))
    if "validation" not in found.counts and found.layout != "oxford_pets":
        share = 0.1 if 400 <= images < FEW else 0.2
        lines.append(_beside(f"validation = {share}", "share of the training images that only tells when to stop"))
    if "test" not in found.counts and found.layout != "oxford_pets":
        why = "share of all images, for the final figure" if found.total >= 200 else "too few images to spare some"
        lines.append(_beside(f"test = {0.1 if found.total >= 200 else 0.0}", why))
    return "\n".join(lines)


def _backbone(choices: Choices) -> str:
    small = "small and quick; " if choices.backbone == "MobileNetV2" else ""
    return "\n".join(
        [
            "[backbone]",
            _beside(f"name = {json.dumps(choices.backbone)}", f"{small}tlkit plugins lists all"),
            _beside(f"weights = {json.dumps(choices.weights)}", 'or a weights file, an earlier run\'s folder, "none"'),
        ]
    )


def _head(segmentation: bool) -> str:
    if segmentation:
        return "[head]\n" + _beside('name = "unet"', "a decoder with skips from the backbone")
    name = _beside('name = "linear"', 'pooling, dropout and one dense layer; "mlp" has hidden layers')
    return f"[head]\n{name}\n" + _beside("dropout = 0.2", "raise it if training is much better than validation")


def _augment(few: bool) -> str:
    if few:
        name = _beside('name = "flip"', 'enough for a frozen backbone; "basic" also shifts, turns and zooms')
        return f"[augment]\n{name}\n" + _beside(
            "horizontal = true", "false where a mirrored image means something else"
        )
    name = _beside('name = "basic"', 'flips, small shifts, rotations, zoom and colour; or "none"')
    return f"[augment]\n{name}\n" + _beside("flip = true", "false where a mirrored image means something else")


def _schedule(images: int, segmentation: bool, pretrained: bool) -> str:
    if not pretrained:
        return "\n".join(
            [
                "[schedule]",
                _beside('name = "full"', "nothing is pretrained, so everything trains from the start"),
                "epochs = 30",
                "learning_rate = 1e-3",
                _beside('curve = "cosine"', "the rate falls to 0 over the epochs"),
            ]
        )
    if segmentation or images < FEW:
        return "\n".join(
            [
                "[schedule]",
                _beside('name = "frozen"', "only the head learns: quick, and hard to overfit with few images;"),
                _beside("epochs = 20", '"two_phase" then fine-tunes the backbone'),
                f"learning_rate = {'1e-3' if segmentation else '3e-3'}",
                _beside('curve = "cosine"', "the rate falls to 0 over the epochs"),
            ]
        )
    return "\n".join(
        [
            "[schedule]",
            _beside('name = "two_phase"', f'{images} images are enough to fine-tune; "frozen" is quicker'),
            _beside("head_epochs = 5", "the head first, while the backbone is frozen"),
            _beside("finetune_epochs = 10", "then the blocks below too"),
            _beside('unfreeze_from = "last"', 'the last stage; or the name of a block, or "all"'),
            "learning_rate = 1e-3",
            _beside("finetune_learning_rate = 1e-5", "low, so that what was learnt before is kept"),
        ]
    )


def _train(counts: dict[str, int], segmentation: bool) -> str:
    lines = ["[train]", _beside("early_stop = 5", "epochs without an improvement; the best epoch's weights are kept")]
    if not segmentation and counts and max(counts.values()) > 2 * min(counts.values()):
        why = f"classes have {min(counts.values())} to {max(counts.values())} images: rare ones count more"
        lines.append(_beside('class_weights = "balanced"', why))
    return "\n".join(lines)


def _check_name(name: str) -> None:
    """A file system may give any bytes for a name; TOML takes Unicode only."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise DataError(f"{shown}: the name is not in UTF-8, so it can't be written in a recipe; rename it") from error


def path_text(path: Path) -> str:
    """A path as a recipe writes it.

    Raises:
        DataError: it is no Unicode text.
    """
    for name in path.parts:
        _check_name(name)
    return json.dumps(path.as_posix(), ensure_ascii=False)
