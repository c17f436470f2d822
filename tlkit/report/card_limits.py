"""The limits of a model in plain words, from what its run recorded."""

from __future__ import annotations

from collections.abc import Iterator

from tlkit.report.card_facts import CardFacts, number, part, scores
from tlkit.report.markdown import code
from tlkit.system.text import listed

_FEW = 20
"""Images of a class that are called few."""
_WEAK = 0.1
"""A class whose score is lower than the mean by so much is called weak."""
_NAMED = 5

_RESIZED = {
    "stretch": "stretched to {size} pixels, whatever its proportions",
    "crop": "scaled until its shorter side fits, and cut to its central {size} pixels: what lies outside is not seen",
    "pad": "scaled until it fits into {size} pixels, with black borders",
}


def limits(facts: CardFacts) -> list[str]:
    """Return the limits, a sentence or two each, as Markdown."""
    rules = (_untried, _judged_on, _groups, _small_classes, _weak_classes, _guessing, _size, _everything_gets_a_class)
    return [each for rule in (*rules, _start) for each in rule(facts)]


def _untried(facts: CardFacts) -> Iterator[str]:
    where = f" (folder {code(facts.data_folder)})" if facts.data_folder else ""
    yield (
        f"It was tried on images of one source only, the data set that it was trained on{where}. How it does on images "
        "of other cameras, places, seasons or people was not measured."
    )


def _judged_on(facts: CardFacts) -> Iterator[str]:
    if facts.card.folds:
        yield (
            f"The figures are those of its {len(facts.card.folds)} models, each on images that it did not train on. "
            "The mean of their probabilities, which is what this model gives, was not measured on images that none of "
            "them knows."
        )
    elif facts.split == "validation":
        yield (
            "There were no test images. Validation images chose the best epoch, so their figures are a little too good."
        )
    elif not facts.split:
        yield "No images were held out, so it is not known how well it does on new ones."


def _groups(facts: CardFacts) -> Iterator[str]:
    if not facts.grouped and facts.images:
        yield (
            "The run knew of no groups among the images. If several show the same object, person or scene, they may be "
            "in different splits, and then the figures are too good."
        )


def _small_classes(facts: CardFacts) -> Iterator[str]:
    counts = facts.classes.get("train") or facts.classes.get("all") or {}
    small = sorted((count, name) for name in facts.card.classes if (count := counts.get(name, 0)) < _FEW)
    if not counts or not small:
        return
    shown = listed([f"{code(name)} ({count})" for count, name in small], _NAMED)
    yield (
        f"Fewer than {_FEW} training images showed each of these classes, so what it says of them is the least "
        f"certain: {shown}."
    )


def _weak_classes(facts: CardFacts) -> Iterator[str]:
    found = scores(facts)
    if len(found) < 2:
        return
    mean = sum(score for score, _count in found.values()) / len(found)
    weak = sorted((score, name) for name, (score, _count) in found.items() if score < mean - _WEAK)[:_NAMED]
    if weak:
        what = "IoU" if facts.card.task == "segmentation" else "F1"
        shown = listed([f"{code(name)} ({score:.2f})" for score, name in weak], _NAMED)
        noun, verb = ("class", "is") if len(weak) == 1 else ("classes", "are")
        yield f"Its worst {noun}, by {what} on {facts.split} images, {verb} {shown}; the mean is {mean:.2f}."


def _guessing(facts: CardFacts) -> Iterator[str]:
    commonest = part(facts.judged, "commonest")
    value, guess = number(facts.judged, facts.headline), number(commonest, facts.headline)
    if value is None or guess is None:
        return
    name = commonest.get("class")
    what = f"always answering {code(name)}" if isinstance(name, str) and name else "giving every image the usual labels"
    metric = "mean IoU" if facts.headline == "mean_iou" else "accuracy"
    yield f"For comparison, {what}, the commonest answer, would have {metric} {guess:.3f} instead of {value:.3f}."


def _size(facts: CardFacts) -> Iterator[str]:
    height, width = facts.card.image_size
    how = _RESIZED[facts.card.resize].format(size=f"{width}×{height}")
    yield f"Every image is {how}. Details that are lost at this size can't be recognised."


def _everything_gets_a_class(facts: CardFacts) -> Iterator[str]:
    if facts.card.task == "segmentation":
        yield "Every pixel gets one of the classes, also in an image that shows none of them."
    elif facts.card.label_kind == "multi":
        yield "It knows these labels only; an image of something else may get any of them, or none."
    else:
        yield (
            "Every image gets one of the classes, also an image that shows none of them. After `tlkit report --full`, "
            "`tlkit predict --unknown 0.05` says which images are unlike those that it was trained on."
        )


def _start(facts: CardFacts) -> Iterator[str]:
    if facts.setting("backbone.weights") == "imagenet":
        yield "Its backbone began from weights trained on ImageNet, and may have kept the biases of those photographs."
