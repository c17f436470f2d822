"""What a model card says about the model, its data and its metrics, as lines of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tlkit.report.card_facts import CardFacts, interval, number, numbers, part
from tlkit.report.fold_metrics import fold_metrics
from tlkit.report.front_matter import HUB_DATASETS
from tlkit.report.markdown import code, link, prose, table
from tlkit.system.text import counted

_MOST_CLASSES = 500
"""Rows of a table of classes."""
_MOST_REASONS = 20

_TASKS = {"single": "sorts an image into one of", "binary": "sorts an image into one of", "multi": "finds which of"}


def about(facts: CardFacts) -> Iterator[str]:
    """Yield what the model is."""
    card = facts.card
    count = len(card.classes)
    if card.task == "segmentation":
        does = f"finds for each pixel of an image which of {count} classes it belongs to"
    else:
        does = f"{_TASKS[card.label_kind]} {count} {'labels an image has' if card.label_kind == 'multi' else 'classes'}"
    images = facts.images.get("train") or facts.images.get("all")
    trained = f", and was trained on {counted(images, 'image')}" if images else ""
    yield f"This model {does}{trained}. It was made with tlkit {prose(card.tlkit)}."
    yield ""
    height, width = card.image_size
    rows = [
        ("task", f"image {card.task}"),
        ("backbone", f"{code(card.backbone.name)}, {_weights(facts)}"),
        ("head", code(card.head.name)),
        ("input", f"RGB, {width}×{height} pixels, values 0–255; {card.resize}; preprocessing is in the model"),
    ]
    if card.folds:
        rows.append(("models", f"{len(card.folds)}, one for each fold of a cross-validation; their mean probability"))
    if facts.digest:
        rows.append(("model.keras", f"sha256 `{facts.digest}`"))
    yield from table(("", ""), [(f"**{name}**", value) for name, value in rows])
    yield ""
    names = ", ".join(code(name) for name in card.classes[:100])
    yield f"Classes: {names}{' …' if count > 100 else ''}."


def _weights(facts: CardFacts) -> str:
    weights = facts.setting("backbone.weights")
    if weights in (None, "none"):
        return "trained from random weights" if weights == "none" else "whose first weights are not recorded"
    return "pretrained on ImageNet" if weights == "imagenet" else "which began from weights in a file of the user"


def data(facts: CardFacts, summaries: Mapping[str, str]) -> Iterator[str]:
    """Yield where the images came from, how many there are of each class, and what was not used.

    Args:
        facts: what is known of the model.
        summaries: data set → what it is, for those that are offered here.
    """
    name = facts.setting("data.name")
    where = f"from {code(facts.data_folder)}, read as" if facts.data_folder else "of"
    hub = HUB_DATASETS.get(facts.own_dataset)
    known = f" ({link(hub, f'https://huggingface.co/datasets/{hub}')} on Hugging Face)" if hub else ""
    if isinstance(name, str):
        what = f": {prose(summaries[name])}" if name in summaries else ""
        yield f"Images {where} the data set {code(name)}{known}{what}."
        yield ""
    yield from table(("split", "images"), [(split, f"{count:,}") for split, count in facts.images.items()], 1)
    yield ""
    if facts.set_aside:
        total = sum(facts.set_aside.values())
        yield f"Set aside and not used: {counted(total, 'file')}."
        yield ""
        most = sorted(facts.set_aside.items(), key=lambda item: -item[1])[:_MOST_REASONS]
        yield from table(("reason", "files"), [(prose(reason), f"{count:,}") for reason, count in most], 1)
    else:
        yield "No files were set aside."
    if facts.classes:
        yield ""
        splits = list(facts.classes)
        rows = [
            (code(each), *(f"{facts.classes[split].get(each, 0):,}" for split in splits))
            for each in facts.card.classes[:_MOST_CLASSES]
        ]
        yield from folded(
            f"Images of each class ({len(facts.card.classes)})", table(("class", *splits), rows, len(splits))
        )
        yield from _and_more(facts)


def _and_more(facts: CardFacts) -> Iterator[str]:
    if len(facts.card.classes) > _MOST_CLASSES:
        yield ""
        yield f"These are the first {_MOST_CLASSES} of {len(facts.card.classes):,} classes."


def folded(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a part that a reader opens."""
    yield f"<details><summary>{title}</summary>"
    yield ""
    yield from lines
    yield ""
    yield "</details>"


def metrics(facts: CardFacts) -> Iterator[str]:
    """Yield the metrics of each split with their intervals, or those of each fold."""
    if facts.folds:
        yield from _folds(facts.folds)
    elif not facts.metrics:
        yield "No images were held out, so nothing was measured."
    for split, of in facts.metrics.items():
        count = number(of, "count")
        size = f" ({counted(int(count), 'image')})" if count else f" ({counted(facts.images.get(split, 0), 'image')})"
        yield f"### {split.capitalize()}{size}"
        yield ""
        commonest = part(of, "commonest")
        rows = []
        for name, value in numbers(of):
            bounds = interval(of, name)
            guess = number(commonest, name)
            shown = "–" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"
            rows.append(
                (prose(name.replace("_", " ")), f"{value:.4f}", shown, "–" if guess is None else f"{guess:.3f}")
            )
        yield from table(("metric", "value", "95 % interval", "commonest class"), rows, 3)
        yield ""
        yield from _calibration(part(of, "calibration"))
    if facts.metrics:
        yield (
            "A 95 % interval is where the metric would mostly lie with other images of the same kind (bootstrap over "
            "the images, or their groups); *commonest class* is what the same answer for everything gives."
        )


def _folds(folds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"Each of the {len(folds)} models was measured on the images of its fold, which it did not train on."
    yield ""
    if len(folds) > 1:
        found = fold_metrics(folds)
        rows = [
            (
                prose(name.replace("_", " ")),
                *(f"{fold[name]:.4f}" for fold in found.folds),
                f"{mean:.4f}",
                f"{found.deviation[name]:.4f}",
            )
            for name, mean in found.mean.items()
        ]
        columns = ("metric", *(f"fold {each}" for each in range(1, len(folds) + 1)), "mean", "standard deviation")
        yield from table(columns, rows, len(columns) - 1)


def _calibration(found: Mapping[str, Any]) -> Iterator[str]:
    error, scaled, temperature = (number(found, name) for name in ("error", "scaled_error", "temperature"))
    if error is None:
        return
    text = f"Calibration: stated probabilities and shares that are right differ by {error:.3f} on average"
    if scaled is not None and temperature is not None:
        text += f" (by {scaled:.3f} if the logits are divided by {temperature:.2f})"
    yield f"{text}."
    yield ""


def classes(facts: CardFacts) -> Iterator[str]:
    """Yield the metrics of each class on the split by which the model is judged."""
    if facts.card.task == "segmentation":
        found = [("IoU", part(facts.judged, "iou")), ("Dice", part(facts.judged, "dice"))]
        bounds = part(part(facts.judged, "intervals"), "iou")
        rows = [
            (code(name), *(_value(of, name) for _title, of in found), _bounds(bounds.get(name)))
            for name in facts.card.classes[:_MOST_CLASSES]
        ]
        columns: tuple[str, ...] = ("class", *(title for title, _of in found), "95 % interval of the IoU")
    else:
        found_classes = part(facts.judged, "per_class")
        names = ("precision", "recall", "f1")
        rows = [
            (code(name), *(_value(of, each) for each in names), _value(of, "support", ".0f"))
            for name in facts.card.classes[:_MOST_CLASSES]
            if (of := part(found_classes, name))
        ]
        columns = ("class", "precision", "recall", "F1", "images")
    if not facts.judged or not rows:
        return
    yield from folded(f"By class, on {facts.split} images", table(columns, rows, len(columns) - 1))
    yield from _and_more(facts)


def _value(of: Mapping[str, Any], name: str, form: str = ".3f") -> str:
    value = number(of, name)
    return "–" if value is None else format(value, form)


def _bounds(value: Any) -> str:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(each, int | float) for each in value):
        return f"{value[0]:.3f} to {value[1]:.3f}"
    return "–"
