"""Write a first recipe for a surveyed folder, with a comment beside each choice."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

from tlkit.data.init.contents import Survey
from tlkit.data.init.data_table import Choices, beside, check_name, comment_line, data_table, is_segmentation
from tlkit.data.init.few_images import few_images
from tlkit.data.init.head_table import head_table
from tlkit.data.init.pixel_lines import pixel_lines
from tlkit.system.text import counted, plain_name

FEW = 2000
"""With fewer training images than this, only the head is trained."""


def recipe_text(survey: Survey, file_name: str, choices: Choices) -> str:
    """Return a recipe for the folder, as TOML with a comment beside each choice.

    Args:
        survey: the survey of the folder.
        file_name: the file that the recipe will be written to.
        choices: what the user decided.

    Raises:
        DataError: the name of the recipe or of a folder is not in UTF-8.
    """
    texts = [] if survey.masks is None else [each for each in survey.masks.options.values() if isinstance(each, str)]
    for name in (*survey.root.parts, *Path(file_name).parts, *texts):
        check_name(name)
    segmentation = is_segmentation(survey, choices)
    train = survey.counts.get("train") or survey.counts.get("", {})
    images = survey.splits.get("train") or survey.splits.get("", 0)
    tables = [
        _opening(survey, file_name, segmentation),
        data_table(survey, choices),
        _input(survey, images, segmentation),
        _backbone(choices),
        head_table(choices, segmentation=segmentation),
        _augment(few=not segmentation and images < FEW),
        _schedule(images, segmentation, choices.weights != "none"),
        _train({} if survey.detected is not None and survey.detected.multi_label else train, segmentation),
    ]
    return "\n\n".join(tables) + "\n"


def _opening(survey: Survey, file_name: str, segmentation: bool) -> str:
    name = plain_name(Path(file_name).stem)
    task = "segmentation" if segmentation else "classification"
    few = few_images(survey)
    return "\n".join(
        [
            comment_line(f"Written by tlkit init for {survey.root.as_posix()}: {counted(survey.total, 'image')}."),
            *((comment_line(f"Note: {few}."),) if few else ()),
            "#",
            comment_line(f"    tlkit run {file_name}"),
            "#",
            "# Change any value here; or for a single run with --set, such as --set input.batch_size=16.",
            *(() if survey.root.is_absolute() else ("# Relative paths start at the folder in which tlkit is run.",)),
            "",
            f"name = {json.dumps(name)}",
            f'task = "{task}"',
            beside("seed = 0", "another seed gives another split and other initial weights"),
        ]
    )


def _input(survey: Survey, images: int, segmentation: bool) -> str:
    sizes = survey.headers.sizes
    shorter_side = median(min(size) for size in sizes) if sizes else 224
    shape = median(width / height for width, height in sizes) if sizes else 1.0
    batch = 8 if images < 100 else 16 if segmentation or images < 400 else 32
    lines = ["[input]"]
    if shorter_side < 100:
        lines.append(beside("image_size = 96", "96 is enough for these small images; larger takes longer"))
    elif shorter_side >= 288 and not segmentation:
        lines.append(
            beside("image_size = 288", "288 shows more detail than the 224 of the pretrained weights, which is faster")
        )
    elif segmentation:
        lines.append(beside("image_size = 224", "224 is fast; 384 shows finer detail"))
    else:
        lines.append(
            beside("image_size = 224", "the pretrained weights saw 224; larger shows more detail, takes longer")
        )
    if 2 / 3 <= shape <= 3 / 2:
        lines.append(beside('resize = "stretch"', '"stretch", "crop" (the centre) or "pad" (black borders)'))
    else:
        lines.append(
            beside('resize = "pad"', '"pad" for images far from square, as these; or "stretch", "crop" (the centre)')
        )
    lines += pixel_lines(survey.headers)
    lines.append(beside(f"batch_size = {batch}", "images of a training step; halve it if memory runs out"))
    if "validation" not in survey.splits and survey.layout != "oxford_pets":
        share = 0.1 if 400 <= images < FEW else 0.2
        lines.append(beside(f"validation = {share}", "share of the images for validation, which decides when to stop"))
    if "test" not in survey.splits and survey.layout != "oxford_pets":
        enough = survey.total >= 200
        few = "" if enough else "; 0.0, none, for fewer than 200 images"
        why = f"share of all images, for the final metrics only{few}"
        lines.append(beside(f"test = {0.1 if enough else 0.0}", why))
    return "\n".join(lines)


def _backbone(choices: Choices) -> str:
    small = "MobileNetV2 is small and fast; " if choices.backbone == "MobileNetV2" else ""
    return "\n".join(
        [
            "[backbone]",
            beside(f"name = {json.dumps(choices.backbone)}", f"{small}tlkit plugins lists all backbones"),
            beside(f"weights = {json.dumps(choices.weights)}", 'or a weights file, the folder of a run, or "none"'),
        ]
    )


def _augment(few: bool) -> str:
    mirrored = "false if mirroring changes what an image means"
    if few:
        name = beside('name = "flip"', '"flip" is enough for a frozen backbone; "basic" also shifts, rotates and zooms')
        return f"[augment]\n{name}\n" + beside("horizontal = true", mirrored)
    name = beside('name = "basic"', '"basic": flips, small shifts, rotations, zoom and colour; "none": no augmentation')
    return f"[augment]\n{name}\n" + beside("flip = true", mirrored)


def _schedule(images: int, segmentation: bool, pretrained: bool) -> str:
    """Return the schedule that fits, and the other one for pretrained weights as comments."""
    if not pretrained:
        name = beside('name = "full"', '"full" trains everything, which weights that are not pretrained need')
        return "\n".join(["[schedule]", name, "epochs = 30", "learning_rate = 1e-3", _COSINE])
    frozen, two_phase = _frozen(segmentation), _two_phase()
    if segmentation or images < FEW:
        why = "Or fine-tune the backbone as well"
        chosen, other = frozen, two_phase
    else:
        why = "Or train the head only, which is faster"
        chosen, other = two_phase, frozen
    return "\n".join(
        [
            "[schedule]",
            *chosen,
            "",
            f'# {why}: put a "#" before each line of [schedule] above, and remove it from these.',
            *(f"# {line}" for line in ("[schedule]", *other)),
        ]
    )


_COSINE = beside('curve = "cosine"', '"cosine": the learning rate falls to 0 over the epochs')


def _frozen(segmentation: bool) -> list[str]:
    return [
        beside('name = "frozen"', '"frozen" trains the head only, fast; the backbone stays as it is'),
        beside("epochs = 20", "passes over the training images"),
        f"learning_rate = {'1e-3' if segmentation else '3e-3'}",
        _COSINE,
    ]


def _two_phase() -> list[str]:
    return [
        beside('name = "two_phase"', '"two_phase": the head, then also the backbone with a low learning rate'),
        beside("head_epochs = 5", "first the head, while the backbone is frozen"),
        beside("finetune_epochs = 10", "then also the upper blocks of the backbone"),
        beside('unfreeze_from = "last"', '"last", the last stage; or the name of a block, or "all"'),
        "learning_rate = 1e-3",
        beside("finetune_learning_rate = 1e-5", "low, to preserve what the backbone has learnt"),
    ]


def _train(counts: dict[str, int], segmentation: bool) -> str:
    lines = [
        "[train]",
        beside("early_stop = 5", "stop after so many epochs without improvement; keep the best weights"),
    ]
    if not segmentation and counts and max(counts.values()) > 2 * min(counts.values()):
        why = f'"balanced": rare classes count more; they have {min(counts.values())} to {max(counts.values())} images'
        lines.append(beside('class_weights = "balanced"', why))
    return "\n".join(lines)
