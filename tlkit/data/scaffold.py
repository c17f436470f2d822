"""From a survey of a folder to a commented recipe."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from statistics import median

from tlkit.data.survey import Survey


@dataclass(frozen=True)
class Choices:
    """What ``tlkit init`` lets a user decide.

    Args:
        backbone: name of the backbone.
        target: for the Oxford-IIIT Pet layout: trimap, pet, species or breed.
    """

    backbone: str = "MobileNetV2"
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
        for value, share in list(found.mask_values.items())[:12]:
            lines.append(f"    mask value {value}: {share:.1%} of the pixels")
        for color, share in list(found.mask_colors.items())[:12]:
            lines.append(f"    mask colour {_hex(color)}: {share:.1%} of the pixels")
    else:
        lines.append(f"{found.root}: the Oxford-IIIT Pet data set, {found.total} images with trimaps")
    if found.sizes:
        widths, heights = [w for w, _ in found.sizes], [h for _, h in found.sizes]
        lines.append(
            f"  sizes: {min(widths)}x{min(heights)} to {max(widths)}x{max(heights)}, "
            f"median {median(widths):.0f}x{median(heights):.0f} (width x height)"
        )
        lines.append("  formats: " + ", ".join(f"{name} {count}" for name, count in found.formats.items()))
    if found.unreadable:
        lines.append(f"  {found.unreadable} of the files that were opened are not images; a run sets them aside")
    return lines


def recipe_text(found: Survey, file_name: str, choices: Choices) -> str:
    """A recipe for the folder, with a comment beside each choice."""
    segmentation = found.layout == "masks" or (found.layout == "oxford_pets" and choices.target in ("trimap", "pet"))
    train = found.counts.get("train") or found.counts.get("", {})
    images = sum(train.values())
    parts = [
        _opening(found, file_name, segmentation),
        _data(found, choices),
        _input(found, images),
        _backbone(choices),
        _head(segmentation),
        '[augment]\nname = "basic"              # flips, small shifts, rotations, zoom and colour; "none" to switch off',
        _schedule(images, segmentation),
        _train(train, segmentation),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _opening(found: Survey, file_name: str, segmentation: bool) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", found.root.resolve().name).strip("-.") or "images"
    task = "segmentation" if segmentation else "classification"
    return (
        f"# Written by tlkit init for {found.root.as_posix()}: {found.total} images.\n"
        f"#\n#     tlkit run {file_name}\n#\n"
        "# Every value can be changed here, or for one run with --set, such as --set input.batch_size=16.\n\n"
        f'name = {json.dumps(name)}\ntask = "{task}"\nseed = 0                    # another seed: another split'
    )


def _data(found: Survey, choices: Choices) -> str:
    if found.layout == "classes":
        return f'[data]\nname = "folder"             # a folder a class\npath = {_path(found.root)}'
    if found.layout == "oxford_pets":
        return (
            f'[data]\nname = "oxford_pets"\npath = {_path(found.root)}\n'
            f'target = "{choices.target}"          # or "pet", "species", "breed"'
        )
    lines = ["[data]", 'name = "masks"', f"images = {_path(found.images)}", f"masks = {_path(found.masks)}"]
    if found.mask_suffix:
        lines.append(f"mask_suffix = {json.dumps(found.mask_suffix)}")
    if found.mask_colors:
        keys = [_hex(color) for color, _ in sorted(found.mask_colors.items(), key=lambda each: -each[1])]
    else:
        keys = [str(value) for value in found.mask_values]
    lines.append("# mask value = class name: give the classes their names, and list what should not count in ignore")
    names = {key: f"class_{key.lstrip('#')}" for key in keys[:32]}
    if not found.mask_colors and len(keys) == 2 and "0" in keys:
        names = {keys[0]: "background", keys[1]: "object"}
    ignore = ["255"] if "255" in names and len(keys) > 2 and not found.mask_colors else []
    for key in ignore:
        del names[key]
    table = ", ".join(f"{json.dumps(key)} = {json.dumps(name)}" for key, name in names.items())
    lines.append(f"values = {{ {table} }}")
    if ignore:
        lines.append('ignore = ["255"]            # by custom, pixels that nobody labelled')
    return "\n".join(lines)


def _input(found: Survey, images: int) -> str:
    small = bool(found.sizes) and median(min(size) for size in found.sizes) < 100
    side = 96 if small else 224
    batch = 16 if images < 400 else 32
    lines = [
        "[input]",
        f"image_size = {side}            # pixels; larger sees more and takes longer",
        'resize = "stretch"          # or "crop" (the middle), "pad" (black borders)',
        f"batch_size = {batch}",
    ]
    if "validation" not in found.counts and found.layout != "oxford_pets":
        lines.append("validation = 0.2            # share of the training images that is only looked at")
    if "test" not in found.counts and found.layout != "oxford_pets":
        share = 0.1 if found.total >= 200 else 0.0
        lines.append(f"test = {share}                  # share of all images, for the final figure")
    return "\n".join(lines)


def _backbone(choices: Choices) -> str:
    return (
        f"[backbone]\nname = {json.dumps(choices.backbone)}        # small and quick; tlkit plugins lists all\n"
        'weights = "imagenet"        # or a weights file, the folder of an earlier run, "none"'
    )


def _head(segmentation: bool) -> str:
    if segmentation:
        return '[head]\nname = "unet"               # a decoder with skips from the backbone'
    return '[head]\nname = "linear"             # pooling, dropout and one dense layer; "mlp" has hidden layers\ndropout = 0.2'


def _schedule(images: int, segmentation: bool) -> str:
    if segmentation or images < 5000:
        why = "only the head learns: quick, and hard to overfit with few images"
        epochs = 20 if segmentation else 15
        return (
            f'[schedule]\nname = "frozen"             # {why}; "two_phase" fine-tunes after that\n'
            f'epochs = {epochs}\nlearning_rate = 1e-3\ncurve = "cosine"            # the rate falls to 0 over the epochs'
        )
    return (
        '[schedule]\nname = "two_phase"          # the head first, then the last stage of the backbone too\n'
        "head_epochs = 5\nfinetune_epochs = 10\n"
        'unfreeze_from = "last"      # or the name of a block\nlearning_rate = 1e-3\nfinetune_learning_rate = 1e-5'
    )


def _train(counts: dict[str, int], segmentation: bool) -> str:
    lines = ["[train]", "early_stop = 5              # epochs without an improvement"]
    if not segmentation and counts and max(counts.values()) > 3 * min(counts.values()):
        lines.append('class_weights = "balanced"  # the largest class has more than three times the smallest\'s images')
    return "\n".join(lines)


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _path(path: object) -> str:
    return json.dumps(str(path).replace("\\", "/"), ensure_ascii=False)
