"""The differences of runs on the same images, with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tlkit.evaluation.paired import MetricDifference, paired_differences
from tlkit.report.compared_folds import ComparedFolds
from tlkit.report.compared_runs import ComparedRun, loss_setting
from tlkit.report.comparison import LOWER_IS_BETTER
from tlkit.report.image_results import ImageId, ImageResult, Results, answers, read_results
from tlkit.runs.card import Card
from tlkit.runs.folder import RunFolder

FEWEST = 10
"""Fewer images than these tell nothing about the difference of two models."""

_MAX_COUNTS = 50_000_000
"""The most images times classes, of each of which there are counts of pixels or labels."""
_METRICS = ("loss", "accuracy", "micro_f1", "macro_f1", "mean_iou", "mean_dice")


@dataclass(frozen=True)
class PairedRuns:
    """How a run differs from the first one on the images that both were measured on.

    Args:
        first: the first run's label.
        run: this run's label.
        split: the split of the images: ``test`` if both have test images, else ``validation``. Two cross-validations
            are compared on both, one after the other.
        images: how many images both have in it, by their bytes.
        metrics: the difference of each metric; empty where they can't be compared.
        notes: what one should know about the differences, or why there are none.
    """

    first: str
    run: str
    split: str
    images: int
    metrics: tuple[MetricDifference, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Models:
    """What the model of a run, or the models of folds, made of the images of each split.

    Args:
        label: the run's label.
        cards: the card of each model.
        splits: split → what each made of its images, or of all of them together the only one that did not train on it.
        missing: what the folder lacks for a comparison; empty for nothing.
    """

    label: str
    cards: Sequence[Card]
    splits: Mapping[str, Sequence[Results]]
    missing: str = ""


def paired_runs(runs: Sequence[ComparedRun]) -> tuple[PairedRuns, ...]:
    """Compare each finished run with the first of them on the images that both were measured on.

    Args:
        runs: the runs in order. The folds of a cross-validation that is among them are not compared with it.

    Raises:
        RunError: a file of a run folder is damaged.
    """
    folds = {fold.path for run in runs if isinstance(run, ComparedFolds) for fold in run.folds}
    finished = [run for run in runs if run.finished and run.path not in folds]
    if len(finished) < 2:
        return ()
    plain = all(loss_setting(run.settings) is None for run in finished)
    first, *others = (_read(run) for run in finished)
    pairs = (pair for other in others for pair in _pairs(first, other))
    return tuple(replace(each, metrics=tuple(_named(one, plain) for one in each.metrics)) for each in pairs)


def _named(difference: MetricDifference, plain: bool) -> MetricDifference:
    """Return a difference whose loss is the cross-entropy where a run was trained with another loss."""
    return replace(difference, metric="cross_entropy") if difference.metric == "loss" and not plain else difference


def _read(run: ComparedRun) -> _Models:
    folders = [fold.path for fold in run.folds] if isinstance(run, ComparedFolds) else [run.path]
    cards: list[Card] = []
    splits = []
    for path in folders:
        folder = RunFolder(path)
        if not folder.card.is_file():
            return _Models(run.label, cards, {}, f"{path} has no {folder.card.name}")
        cards.append(folder.read_card())
        results = read_results(folder, cards[-1])
        if isinstance(results, str):
            return _Models(run.label, cards, {}, results)
        splits.append(results)
    if not isinstance(run, ComparedFolds):
        return _Models(run.label, cards, {split: [images] for split, images in splits[0].items()})
    together: dict[ImageId, ImageResult] = {}
    for each in splits:
        together |= each.get("validation", {})
    models: dict[str, Sequence[Results]] = {"validation": [together]}
    if all("test" in each for each in splits):
        models["test"] = [each["test"] for each in splits]
    return _Models(run.label, cards, models)


def _pairs(first: _Models, other: _Models) -> Iterator[PairedRuns]:
    """Compare two runs on the test images, or else on the validation images; two cross-validations on both."""
    problem = _other_task(first, other) or first.missing or other.missing
    splits = [name for name in ("test", "validation") if name in first.splits and name in other.splits]
    if problem or not splits:
        problem = problem or f"{other.label} and {first.label} were measured on different splits"
        yield PairedRuns(first.label, other.label, "", 0, (), (problem,))
    elif min(len(first.cards), len(other.cards)) == 1:
        yield _pair(first, other, splits[0])
    else:
        yield from (_pair(first, other, split) for split in splits)


def _pair(first: _Models, other: _Models, split: str) -> PairedRuns:
    pair = PairedRuns(first.label, other.label, split, 0, ())
    sides = first.splits[split], other.splits[split]
    both = [each for each in sides[0][0] if all(each in images for side in sides for images in side)]
    images = [each for each in both if sides[0][0][each].truth == sides[1][0][each].truth]
    pair = replace(pair, images=len(images))
    notes = [*_notes(pair, sides, len(both), (first.cards[0], other.cards[0])), *_other_validation(first, other, split)]
    problem = _too_few(pair) if len(images) < FEWEST else _too_large(pair, first.cards[0])
    if problem:
        return replace(pair, notes=(*notes, problem))
    groups = [sides[0][0][each].group or None for each in images]
    taken = (answers(sides[0], first.cards, images), answers(sides[1], other.cards, images))
    found = paired_differences(*taken, {name: name in LOWER_IS_BETTER for name in _METRICS}, len(images), groups)
    return replace(pair, metrics=found, notes=tuple(notes))


def _other_validation(first: _Models, other: _Models, split: str) -> Iterator[str]:
    """Say that two runs that are compared on test images have other validation images."""
    single = split == "test" and len(first.cards) == len(other.cards) == 1
    sides = [set(each) for models in (first, other) for each in models.splits.get("validation", ())]
    if single and len(sides) == 2 and sides[0] != sides[1]:
        yield (
            f"{first.label} and {other.label} have different validation images: don't compare their curves and their "
            "figures of validation images"
        )


def _too_large(pair: PairedRuns, card: Card) -> str:
    """Return why two runs can't be compared in the memory of a usual machine; empty if they can."""
    counts = card.task == "segmentation" or card.label_kind == "multi"
    if not counts or pair.images * len(card.classes) <= _MAX_COUNTS:
        return ""
    size = f"{pair.images:,} images with {len(card.classes)} classes"
    return f"{pair.run} and {pair.first} have {size} in common, too many to compare them image by image"


def _too_few(pair: PairedRuns) -> str:
    common = f"{pair.run} and {pair.first} have {pair.images} {pair.split} images in common"
    return f"{common}; it takes {FEWEST} to say whether they differ"


def _other_task(first: _Models, other: _Models) -> str:
    """Return why the metrics of two runs' models can't be compared; empty if they can."""
    if not first.cards or not other.cards:
        return ""
    cards = first.cards[0], other.cards[0]
    what = ""
    if cards[0].task != cards[1].task:
        what = "tasks"
    elif (cards[0].label_kind == "multi") != (cards[1].label_kind == "multi"):
        what = "kinds of labels"
    elif set(cards[0].classes) != set(cards[1].classes):
        what = "classes"
    return f"{other.label} and {first.label} have different {what}, so their metrics can't be compared" if what else ""


def _notes(
    pair: PairedRuns, sides: tuple[Sequence[Results], Sequence[Results]], both: int, cards: tuple[Card, Card]
) -> list[str]:
    notes = []
    counts = [len(side[0]) for side in sides]
    if max(counts) > both:
        notes.append(
            f"{pair.first} was measured on {counts[0]} {pair.split} images and {pair.run} on {counts[1]}, of which "
            f"{both} are the same (by their bytes); these are compared"
        )
    if pair.images < both:
        others = both - pair.images
        verbs = ("has", "is") if others == 1 else ("have", "are")
        notes.append(f"{others} of these images {verbs[0]} another label in {pair.run}, and {verbs[1]} left out")
    if cards[0].task == "segmentation" and cards[0].image_size != cards[1].image_size:
        sizes = ["×".join(map(str, card.image_size)) for card in cards]
        notes.append(f"the pixels of {pair.first} are counted at {sizes[0]}, those of {pair.run} at {sizes[1]}")
    return notes
