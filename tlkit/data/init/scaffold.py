"""Write a first recipe for a surveyed folder, with a comment beside each choice."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tlkit.data.images.mask_classes import value_text
from tlkit.data.init.describe import percent
from tlkit.data.init.survey import Survey
from tlkit.errors import DataError

TARGETS = ("trimap", "pet", "species", "breed")
"""What can be learnt from the Oxford-IIIT Pet data set."""

FEW = 2000
"""With fewer training images than this, only the head is trained."""


@dataclass(frozen=True)
class Choices:
    """What the options of ``tlkit init`` decide.

    Args:
        backbone: the name of the backbone.
        weights: the weights of the backbone.
        target: what to learn from the Oxford-IIIT Pet data set: trimap, pet, species or breed.
    """

    backbone: str = "MobileNetV2"
    weights: str = "imagenet"
    target: str = "trimap"


def recipe_text(survey: Survey, file_name: str, choices: Choices) -> str:
    """Return a recipe for the folder, as TOML with a comment beside each choice.

    Args:
        survey: the survey of the folder.
        file_name: the file that the recipe will be written to.
        choices: what the user decided.

    Raises:
        DataError: the name of the recipe or of a folder is not in UTF-8.
    """
    for name in (*survey.root.parts, *Path(file_name).parts, survey.mask_suffix):
        _check_name(name)
    segmentation = survey.layout == "masks" or (survey.layout == "oxford_pets" and choices.target in ("trimap", "pet"))
    train = survey.counts.get("train") or survey.counts.get("", {})
    images = sum(train.values())
    tables = [
        _opening(survey, file_name, segmentation),
        _data(survey, choices),
        _input(survey, images, segmentation),
        _backbone(choices),
        _head(segmentation),
        _augment(few=not segmentation and images < FEW),
        _schedule(images, segmentation, choices.weights != "none"),
        _train(train, segmentation),
    ]
    return "\n\n".join(tables) + "\n"


def _beside(text: str, comment: str) -> str:
    """Return a line with a comment, in the same column as all other comments."""
    return f"{text:<27} # {comment}"


def _opening(survey: Survey, file_name: str, segmentation: bool) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", survey.root.resolve().name).strip("-._") or "images"
    task = "segmentation" if segmentation else "classification"
    return "\n".join(
        [
            f"# Written by tlkit init for {' '.join(survey.root.as_posix().split())}: {survey.total} images.",
            "#",
            f"#     tlkit run {' '.join(file_name.split())}",
            "#",
            "# Change any value here; or for a single run with --set, such as --set input.batch_size=16.",
            *(() if survey.root.is_absolute() else ("# Relative paths start at the folder in which tlkit is run.",)),
            "",
            f"name = {json.dumps(name)}",
            f'task = "{task}"',
            _beside("seed = 0", "another seed gives another split and other initial weights"),
        ]
    )


def _data(survey: Survey, choices: Choices) -> str:
    if survey.layout == "classes":
        name = _beside('name = "folder"', "one folder per class")
        return "\n".join(["[data]", name, f"path = {path_text(survey.root)}"])
    if survey.layout == "oxford_pets":
        others = ", ".join(f'"{each}"' for each in TARGETS if each != choices.target)
        target = _beside(f'target = "{choices.target}"', f"or {others}")
        return "\n".join(["[data]", 'name = "oxford_pets"', f"path = {path_text(survey.root)}", target])
    assert survey.images is not None
    assert survey.masks is not None
    lines = ["[data]", 'name = "masks"', f"images = {path_text(survey.images)}", f"masks = {path_text(survey.masks)}"]
    if survey.mask_suffix:
        lines.append(
            _beside(f"mask_suffix = {json.dumps(survey.mask_suffix)}", "what a mask's name adds to its image's name")
        )
    if ignored := survey.values.ignored:
        values = json.dumps([value_text(value) for value in ignored])
        share = percent(sum(ignored.values()))
        lines.append(_beside(f"ignore = {values}", f"usually marks unlabelled pixels; {share} of the pixels"))
    shares = {value_text(value): share for value, share in survey.values.classes.items()}
    lines.append("# Mask value = class name. Replace these names with the real ones.")
    lines.append("[data.values]")
    for key, name in _class_names(survey, list(shares)).items():
        lines.append(_beside(f"{json.dumps(key)} = {json.dumps(name)}", f"{percent(shares[key])} of the pixels"))
    return "\n".join(lines)


def _class_names(survey: Survey, keys: Sequence[str]) -> dict[str, str]:
    """Return mask value → a placeholder for the name of its class."""
    if list(keys) == ["1", "2", "3"] and survey.masks is not None and survey.masks.name.lower() == "trimaps":
        return {"1": "pet", "2": "background", "3": "border"}
    if len(keys) == 2 and keys[0] in ("0", "#000000"):
        return {keys[0]: "background", keys[1]: "object"}
    names = {key: f"class_{key.lstrip('#')}" for key in keys}
    if "0" in names:
        names["0"] = "background"
    return names


def _input(survey: Survey, images: int, segmentation: bool) -> str:
    sizes = survey.headers.sizes
    shorter_side = median(min(size) for size in sizes) if sizes else 224
    shape = median(width / height for width, height in sizes) if sizes else 1.0
    batch = 8 if images < 100 else 16 if segmentation or images < 400 else 32
    lines = ["[input]"]
    if shorter_side < 100:
        lines.append(_beside("image_size = 96", "enough for these small images; larger takes longer"))
    elif shorter_side >= 288 and not segmentation:
        lines.append(_beside("image_size = 288", "more detail than the 224 of the pretrained weights; 224 is faster"))
    elif segmentation:
        lines.append(_beside("image_size = 224", "384 shows finer detail and takes longer"))
    else:
        lines.append(_beside("image_size = 224", "as the pretrained weights; larger shows more detail, takes longer"))
    if 2 / 3 <= shape <= 3 / 2:
        lines.append(_beside('resize = "stretch"', 'or "crop" (the centre), "pad" (black borders)'))
    else:
        lines.append(_beside('resize = "pad"', 'these images are far from square; or "stretch", "crop" (the centre)'))
    lines.append(_beside(f"batch_size = {batch}", f"for {images} training images; halve it if memory runs out"))
    if "validation" not in survey.counts and survey.layout != "oxford_pets":
        share = 0.1 if 400 <= images < FEW else 0.2
        lines.append(_beside(f"validation = {share}", "share of the images for validation, which decides when to stop"))
    if "test" not in survey.counts and survey.layout != "oxford_pets":
        enough = survey.total >= 200
        why = "share of all images, for the final metrics only" if enough else "too few images for a test split"
        lines.append(_beside(f"test = {0.1 if enough else 0.0}", why))
    return "\n".join(lines)


def _backbone(choices: Choices) -> str:
    small = "small and fast; " if choices.backbone == "MobileNetV2" else ""
    return "\n".join(
        [
            "[backbone]",
            _beside(f"name = {json.dumps(choices.backbone)}", f"{small}tlkit plugins lists all backbones"),
            _beside(f"weights = {json.dumps(choices.weights)}", 'or a weights file, the folder of a run, or "none"'),
        ]
    )


def _head(segmentation: bool) -> str:
    if segmentation:
        return "[head]\n" + _beside('name = "unet"', "a decoder with skip connections from the backbone")
    name = _beside('name = "linear"', 'pooling, dropout and one dense layer; "mlp" adds hidden layers')
    dropout = _beside("dropout = 0.2", "raise it if validation accuracy is far below training accuracy")
    return "\n".join(["[head]", name, dropout])


def _augment(few: bool) -> str:
    mirrored = "false if mirroring changes what an image means"
    if few:
        name = _beside('name = "flip"', 'enough for a frozen backbone; "basic" also shifts, rotates and zooms')
        return f"[augment]\n{name}\n" + _beside("horizontal = true", mirrored)
    name = _beside('name = "basic"', 'flips, small shifts, rotations, zoom and colour; "none" for no augmentation')
    return f"[augment]\n{name}\n" + _beside("flip = true", mirrored)


def _schedule(images: int, segmentation: bool, pretrained: bool) -> str:
    curve = _beside('curve = "cosine"', "the learning rate falls to 0 over the epochs")
    if not pretrained:
        lines = [
            _beside('name = "full"', "trains everything, because no weights are pretrained"),
            "epochs = 30",
            "learning_rate = 1e-3",
            curve,
        ]
    elif segmentation or images < FEW:
        lines = [
            _beside('name = "frozen"', 'trains the head only, fast; "two_phase" then fine-tunes the backbone'),
            _beside("epochs = 20", "passes over the training images"),
            f"learning_rate = {'1e-3' if segmentation else '3e-3'}",
            curve,
        ]
    else:
        lines = [
            _beside('name = "two_phase"', f'{images} images are enough to fine-tune; "frozen" is faster'),
            _beside("head_epochs = 5", "first the head, while the backbone is frozen"),
            _beside("finetune_epochs = 10", "then also the upper blocks of the backbone"),
            _beside('unfreeze_from = "last"', 'the last stage; or the name of a block, or "all"'),
            "learning_rate = 1e-3",
            _beside("finetune_learning_rate = 1e-5", "low, to preserve what the backbone has learnt"),
        ]
    return "\n".join(["[schedule]", *lines])


def _train(counts: dict[str, int], segmentation: bool) -> str:
    lines = ["[train]", _beside("early_stop = 5", "stop after 5 epochs without improvement; keep the best weights")]
    if not segmentation and counts and max(counts.values()) > 2 * min(counts.values()):
        why = f"classes have {min(counts.values())} to {max(counts.values())} images: rare classes count more"
        lines.append(_beside('class_weights = "balanced"', why))
    return "\n".join(lines)


def _check_name(name: str) -> None:
    """Check that a name is Unicode text: a file system allows any bytes, TOML does not."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise DataError(f"{shown}: the name is not in UTF-8, so it can't be written in a recipe; rename it") from error


def path_text(path: Path) -> str:
    """Return a path as a recipe writes it.

    Raises:
        DataError: the path is not in UTF-8.
    """
    for name in path.parts:
        _check_name(name)
    return json.dumps(path.as_posix(), ensure_ascii=False)
