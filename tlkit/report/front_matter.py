"""The YAML at the top of a model card, as Hugging Face's hub reads it.

The keys are those of https://huggingface.co/docs/hub/model-cards; every text is written as JSON writes it, which YAML
reads as well, with the characters escaped that YAML does not take as they are.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tlkit.errors import DataError
from tlkit.report.card_facts import CardFacts, numbers

HUB_DATASETS = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
}
"""tlkit's data sets that the hub has under an identifier of their own."""
_PIPELINES = {"classification": "image-classification", "segmentation": "image-segmentation"}
_HUB_METRICS = {"macro_f1": "f1", "mean_iou": "mean_iou", "accuracy": "accuracy"}
"""tlkit's metric → the identifier of the same metric in Hugging Face's ``evaluate``; others keep their name."""
_NOT_AS_IT_IS = re.compile(
    "[^\t\x20-\x7e\xa0-\u2027\u202f-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\ufeff]"
)


def front_matter(facts: CardFacts, licence: str | None) -> str:
    """Return the YAML between, and with, its two lines ``---``."""
    return "---\n" + "".join(f"{line}\n" for line in _lines(metadata(facts, licence))) + "---\n"


def metadata(facts: CardFacts, licence: str | None) -> dict[str, Any]:
    """Return what the front matter says, as nested plain values."""
    pipeline = _PIPELINES[facts.card.task]
    values: dict[str, Any] = {"library_name": "keras", "pipeline_tag": pipeline}
    values["tags"] = ["tlkit", "keras", pipeline, "transfer-learning"]
    if licence:
        values["license"] = licence
    hub = HUB_DATASETS.get(facts.own_dataset)
    if hub:
        values["datasets"] = [hub]
    results = [_result(facts, split, of) for split, of in facts.metrics.items() if any(_finite(of))]
    if results:
        values["model-index"] = [{"name": facts.card.name or "model", "results": results}]
    return values


def _result(facts: CardFacts, split: str, of: Mapping[str, Any]) -> dict[str, Any]:
    name = facts.data_folder or facts.own_dataset or "images"
    dataset = {"type": HUB_DATASETS.get(facts.own_dataset, "imagefolder"), "name": name, "split": split}
    measured = [
        {"type": _HUB_METRICS.get(each, each), "value": round(value, 6), "name": each.replace("_", " ")}
        for each, value in _finite(of)
    ]
    return {"task": {"type": _PIPELINES[facts.card.task]}, "dataset": dataset, "metrics": measured}


def _finite(of: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the metrics but NaN and infinity, which JSON and YAML write in different ways."""
    return (each for each in numbers(of) if math.isfinite(each[1]))


def yaml_text(text: str) -> str:
    """Return a text as a scalar of YAML, between quotation marks."""

    def escaped(match: re.Match[str]) -> str:
        number = ord(match[0])
        return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"

    return _NOT_AS_IT_IS.sub(escaped, json.dumps(text.encode("utf-8", "replace").decode("utf-8"), ensure_ascii=False))


def _lines(value: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for key, each in value.items():
        if isinstance(each, Mapping):
            yield f"{indent}{key}:"
            yield from _lines(each, f"{indent}  ")
        elif isinstance(each, list):
            yield f"{indent}{key}:"
            for item in each:
                if isinstance(item, Mapping):
                    first, *rest = _lines(item, f"{indent}  ")
                    yield f"{indent}- {first.strip()}"
                    yield from rest
                else:
                    yield f"{indent}- {yaml_text(item)}"
        else:
            yield f"{indent}{key}: {yaml_text(each) if isinstance(each, str) else json.dumps(each)}"


def checked(text: str, results: int) -> bool:
    """Read a card as Hugging Face does, and return whether its library is installed to do so.

    Args:
        text: the card.
        results: the number of metrics that its front matter has.

    Raises:
        DataError: its library refuses the front matter, or reads less of it.
    """
    try:
        from huggingface_hub import ModelCard
    except ImportError:
        return False
    try:
        read = getattr(ModelCard(text, ignore_metadata_errors=False).data, "eval_results", None) or ()
    except ValueError as error:
        raise DataError(f"the front matter of the card is refused by huggingface_hub: {error}") from error
    if len(read) != results:
        raise DataError(f"huggingface_hub reads {len(read)} of the {results} metrics of the card")
    return True
