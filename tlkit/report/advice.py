"""What to do next, by rules on what was seen in a run and on nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tlkit.report.missed_classes import ZERO
from tlkit.report.seen import Seen, percent
from tlkit.system.text import listed, shorten

_MOST = 8
"""Pieces of advice in a report."""
_GAP = 0.08
"""Training images may be predicted better than others by so much."""
_FEW_IMAGES = 20
"""Training images of a class that are called few."""
_WIDE = 0.1
"""The width of an interval that is called wide."""
_UNEQUAL = 5
"""The commonest class has so many times the images of the rarest."""
_FALLING = 0.02
"""A loss that fell by this share in the last quarter of the epochs still falls."""
_PERFECT = 0.995
"""Nothing is advised for a loss that still falls where more than this is right already."""
_WEAK = 0.9
"""Training images of which a smaller share is predicted correctly are not learnt."""
_STATED, _BETTER, _ENOUGH = 0.05, 0.5, 100
"""A calibration error that is large; what the temperature must leave of it at most; with how many images it counts."""
_LONG = 400
"""Notes on classes that are never right which are longer stand further down only."""


@dataclass(frozen=True)
class Advice:
    """A piece of advice.

    Args:
        seen: what was seen, with its numbers.
        do: what to do.
        keys: lines of the recipe, or commands.
    """

    seen: str
    do: str
    keys: tuple[str, ...] = ()


def advice(seen: Seen) -> list[Advice]:
    """Return what to do next, the most important first."""
    rules = (_diverged, _no_better_than_guessing, _nothing_held_out, _missed, _overfits, _too_weak, _still_falling)
    more = (_stopped_late, _unequal_classes, _few_images, _wide_interval, _overstated, _set_aside, _no_test_images)
    return [each for rule in (*rules, *more) for each in rule(seen)][:_MOST]


def _diverged(seen: Seen) -> Iterator[Advice]:
    losses = seen.curve("loss")
    if losses is None or not len(losses):
        return
    what = ""
    if not np.isfinite(losses).all():
        what = f"The training loss is not a number from epoch {int(np.argmin(np.isfinite(losses))) + 1} on."
    elif len(losses) > 1 and losses[-1] > 1.05 * losses[0]:
        what = f"The training loss rose from {losses[0]:.3f} to {losses[-1]:.3f}."
    if what:
        lower = _rate(seen, 0.1)
        yield Advice(what, "Train with a lower learning rate; tlkit lr RECIPE finds one.", lower)


def _no_better_than_guessing(seen: Seen) -> Iterator[Advice]:
    if seen.commonest is None or seen.interval is None or seen.value is None:
        return
    _, guess = seen.commonest
    if seen.interval[0] > guess:
        return
    name = seen.headline.replace("_", " ")
    what = (
        f"The {name} of {seen.value:.3f} can't be told from the {guess:.3f} of always predicting the commonest class: "
        f"its 95 % interval begins at {seen.interval[0]:.3f}."
    )
    keys: tuple[str, ...] = ("tlkit check RECIPE", "tlkit lr RECIPE")
    if seen.setting("backbone.weights", str) == "none":
        keys = ('backbone.weights = "imagenet"', *keys)
    yield Advice(what, "Look whether labels and images belong together, and at the learning rate.", keys)


def _nothing_held_out(seen: Seen) -> Iterator[Advice]:
    if not seen.split:
        what = f"All {seen.images.get('train', 0):,} images were trained on, and none was held out."
        yield Advice(what, "Hold out images to measure the model.", ("input.validation = 0.2", "input.test = 0.2"))


def _missed(seen: Seen) -> Iterator[Advice]:
    missed = _never_right(seen)
    if not missed:
        return
    verb = "is" if len(missed) == 1 else "are"
    what = f"{len(missed)} of {len(seen.card.classes)} classes {verb} never predicted correctly: {listed(missed, 5)}."
    notes = ". ".join(f"{note[:1].upper()}{note[1:]}" for note in seen.notes)
    where = f"Likely causes stand at the table of the classes of the {seen.split} images."
    yield Advice(what, f"{notes}." if 0 < len(notes) <= _LONG else where)


def _never_right(seen: Seen) -> list[str]:
    """Return the classes that occur and whose F1, or IoU, is 0."""
    scores = {name: row["f1"] for name, row in seen.metrics.get("per_class", {}).items() if row["support"]}
    scores |= seen.metrics.get("iou", {})
    return [_named(name) for name, score in scores.items() if score is not None and score < ZERO]


def _overfits(seen: Seen) -> Iterator[Advice]:
    scores = _scores(seen)
    if scores is None or scores[0] - scores[1] < _GAP:
        return
    trained, held_out, epoch = scores
    name = seen.headline.replace("_", " ")
    what = f"In epoch {epoch}, the {name} was {trained:.3f} on training images and {held_out:.3f} on validation images."
    keys = []
    if seen.setting("augment.name", str) in (None, "none", "flip"):
        keys.append('augment.name = "basic"')
    dropout = seen.setting("head.dropout", (int, float))
    if dropout is not None and dropout < 0.5:
        keys.append(f"head.dropout = {min(0.5, dropout + 0.2):.1f}")
    if seen.setting("schedule.name", str) not in (None, "frozen") and _pretrained(seen):
        keys.append('schedule.name = "frozen"')
    do = "Use more images, more augmentation, more regularisation, or train fewer weights."
    if seen.setting("schedule.name", str) == "frozen" and _pretrained(seen):
        do = "Use more images, more augmentation or more regularisation, or another backbone."
        if seen.card.task == "classification":
            do = f"{do[:-1]}: tlkit rank tells which suits the images."
    yield Advice(what, do, tuple(keys))


def _too_weak(seen: Seen) -> Iterator[Advice]:
    scores = _scores(seen)
    if scores is None or seen.card.task != "classification" or any(_still_falling(seen)):
        return
    # A training accuracy is a mean over the epoch, with augmentation and dropout: far below the other, it says little.
    if max(scores[:2]) >= _WEAK or abs(scores[0] - scores[1]) > 0.05:
        return
    what = f"In epoch {scores[2]}, even of the training images only {percent(scores[0])} were predicted correctly."
    keys: tuple[str, ...] = ()
    if seen.setting("schedule.name", str) == "frozen" and _pretrained(seen):
        keys = ('schedule.name = "two_phase"',)
    yield Advice(what, "Train more of the network or a larger backbone, or give it larger images.", keys)


def _still_falling(seen: Seen) -> Iterator[Advice]:
    losses = seen.curve("val_loss")
    if losses is None or len(losses) < 4 or not np.isfinite(losses).all() or (seen.value or 0) > _PERFECT:
        return
    before, last = losses[: -max(1, len(losses) // 4)].min(), losses[-1]
    if last > losses.min() or before <= 0 or (before - last) / before < _FALLING:
        return
    what = (
        f"The validation loss still fell when the training ended, from {before:.3f} to {last:.3f} in the last quarter."
    )
    key = next((each for each in ("epochs", "finetune_epochs", "step_epochs") if _epochs(seen, each)), "")
    keys = (f"schedule.{key} = {2 * _epochs(seen, key)}",) if key else ()
    yield Advice(what, "Train for more epochs.", keys)


def _stopped_late(seen: Seen) -> Iterator[Advice]:
    losses = seen.curve("val_loss")
    if losses is None or seen.best_epoch < 1 or len(losses) < 8 or seen.best_epoch > len(losses) / 2:
        return
    if seen.setting("train.early_stop", dict) or seen.setting("schedule.early_stop", dict):
        return
    later = len(losses) - seen.best_epoch
    what = f"The model has the weights of epoch {seen.best_epoch}; none of the {later} later ones was better."
    yield Advice(what, "Stop when nothing improves, which saves time.", ("train.early_stop = 5",))


def _unequal_classes(seen: Seen) -> Iterator[Advice]:
    counts = {name: count for name, count in seen.trained.items() if count}
    macro, accuracy = seen.metrics.get("macro_f1"), seen.metrics.get("accuracy")
    if len(counts) < 2 or macro is None or accuracy is None or seen.several:
        return
    rarest, commonest = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
    if counts[commonest] < _UNEQUAL * counts[rarest] or accuracy - macro < 0.05:
        return
    what = (
        f"The classes are unequal, {_named(commonest)} with {counts[commonest]:,} training images and {_named(rarest)} "
        f"with {counts[rarest]:,}; the accuracy is {accuracy:.3f}, but the mean F1 of the classes {macro:.3f}."
    )
    if seen.setting("train.class_weights", str) == "none":
        yield Advice(what, "Give rare classes more weight.", ('train.class_weights = "balanced"',))


def _few_images(seen: Seen) -> Iterator[Advice]:
    few = {name: count for name, count in seen.trained.items() if 0 < count < _FEW_IMAGES}
    if not few:
        return
    order = sorted(few, key=lambda name: few[name])
    named = listed([f"{_named(name)} ({few[name]})" for name in order], 5)
    has = "has" if len(few) == 1 else "have"
    what = f"{len(few)} of {len(seen.trained)} classes {has} fewer than {_FEW_IMAGES} training images: {named}."
    yield Advice(what, "More images of these classes help most.")


def _wide_interval(seen: Seen) -> Iterator[Advice]:
    if seen.interval is None or seen.interval[1] - seen.interval[0] < _WIDE:
        return
    low, high = seen.interval
    count, name = seen.images.get(seen.split, 0), seen.headline.replace("_", " ")
    what = f"With {count:,} {seen.split} images, the {name} is only known to lie between {low:.3f} and {high:.3f}."
    todo = "Four times as many images make that half as wide; cross-validation measures on all images."
    share = seen.setting(f"input.{seen.split}", (int, float))
    key = () if share is None or not 0 < share < 0.3 else (f"input.{seen.split} = {min(0.3, 2 * share):.2g}",)
    yield Advice(what, todo, (*key, "tlkit run RECIPE --folds 5"))


def _overstated(seen: Seen) -> Iterator[Advice]:
    found = seen.calibration.get(seen.split)
    if found is None or seen.images.get(seen.split, 0) < _ENOUGH:
        return
    before, after = found.before.error, found.after.error
    if before < _STATED or after > _BETTER * before:
        return
    too = "high" if found.temperature > 1 else "low"
    what = (
        f"The stated probabilities are too {too}: on average they are {100 * before:.1f} points from the share of "
        f"images for which they came true. With the logits divided by {found.temperature:.2f} it is "
        f"{100 * after:.1f} points."
    )
    loss = "categorical_crossentropy" if seen.card.label_kind == "single" else "binary_crossentropy"
    keys = (f'train.loss = {{ name = "{loss}", label_smoothing = 0.1 }}',) if too == "high" else ()
    yield Advice(what, "Do not take them at their word. Dividing the logits changes no prediction.", keys)


def _set_aside(seen: Seen) -> Iterator[Advice]:
    total = seen.set_aside + sum(seen.images.values())
    if seen.set_aside > 0.02 * total:
        what = f"{seen.set_aside:,} of {total:,} files could not be used."
        yield Advice(what, "See why below, under Data.", ("tlkit check RECIPE",))


def _no_test_images(seen: Seen) -> Iterator[Advice]:
    if seen.split == "validation" and seen.images.get("validation", 0) + seen.images.get("train", 0) >= 50:
        what = "There are no test images."
        yield Advice(what, "Keep some back that neither training nor you see before the end.", ("input.test = 0.1",))


def _scores(seen: Seen) -> tuple[float, float, int] | None:
    """Return the headline on training and validation images in the best, or else the last epoch, and the epoch."""
    trained, held_out = seen.curve(seen.headline), seen.curve(f"val_{seen.headline}")
    if trained is None or held_out is None or not len(trained):
        return None
    epoch = seen.best_epoch if 1 <= seen.best_epoch <= len(trained) else len(trained)
    found = float(trained[epoch - 1]), float(held_out[epoch - 1])
    return (*found, epoch) if all(map(math.isfinite, found)) else None


def _pretrained(seen: Seen) -> bool:
    return seen.setting("backbone.weights", str) not in (None, "none")


def _rate(seen: Seen, factor: float) -> tuple[str, ...]:
    rate = seen.setting("schedule.learning_rate", (int, float))
    return () if rate is None else (f"schedule.learning_rate = {rate * factor:.2g}",)


def _epochs(seen: Seen, key: str) -> int:
    return int(seen.setting(f"schedule.{key}", int) or 0)


def _named(name: str) -> str:
    return shorten(name, 40)
