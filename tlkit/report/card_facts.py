"""What a model card says, read from the files of a run folder alone; they may be someone else's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from tlkit.report.environment_table import read_environment
from tlkit.report.exports_part import ExportRow, export_rows
from tlkit.runs.card import Card
from tlkit.runs.checksums import file_digest
from tlkit.runs.folder import MAX_RECIPE_BYTES, RunFolder
from tlkit.runs.folds import FoldsFolder
from tlkit.runs.reading import read_run_file, read_run_table
from tlkit.runs.secrets import toml_without_secrets, without_secrets

SPLITS = ("train", "validation", "test")
_SEAL = re.compile(r"^# sha256: [0-9a-f]{64}\s*\Z", re.MULTILINE)
"""The last line of a recipe in a run folder, its checksum."""


@dataclass(frozen=True)
class CardFacts:
    """What is known of a model.

    Args:
        name: the name of the run folder.
        card: the model's ``model.json``.
        metrics: split → the metrics of ``metrics.json``; those of the folds are in ``folds``.
        folds: the metrics of each fold on the images that it did not train on; empty for a single model.
        images: split → the number of images; of a cross-validation, ``all`` → their number.
        classes: split → class → the number of images; empty for a segmentation.
        set_aside: reason → the number of files that were not used.
        grouped: whether images stood in groups that stay in one split.
        settings: the recipe with all defaults.
        environment: what ``environment.json`` says of versions and plugins.
        exports: the files that it was exported to, refused ones included.
        recipe: the text of the recipe, without secrets and its checksum.
        digest: the SHA-256 of ``model.keras``; empty if there is none.
    """

    name: str
    card: Card
    metrics: Mapping[str, Mapping[str, Any]]
    folds: Sequence[Mapping[str, Any]]
    images: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    set_aside: Mapping[str, int]
    grouped: bool
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    exports: Sequence[ExportRow]
    recipe: str
    digest: str

    @property
    def split(self) -> str:
        """The split by which the model is judged: the test images if there are any, else the validation images."""
        return next((split for split in ("test", "validation") if split in self.metrics), "")

    @property
    def judged(self) -> Mapping[str, Any]:
        """The metrics of that split; empty if nothing was measured."""
        return self.metrics.get(self.split, {})

    @property
    def headline(self) -> str:
        """The name of the metric that stands for the model."""
        return "mean_iou" if self.card.task == "segmentation" else "accuracy"

    def setting(self, key: str) -> Any:
        """Return a value of the recipe, such as ``backbone.weights``; None if it is missing."""
        value: Any = self.settings
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    @property
    def own_dataset(self) -> str:
        """The name of the data set if it is one of tlkit's own; empty if another plugin has it, or nobody knows."""
        parts = self.environment.get("parts")
        name = self.setting("data.name")
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, Mapping) and part.get("kind") == "dataset" and part.get("distribution") == "tlkit":
                return name if isinstance(name, str) else ""
        return ""

    @property
    def data_folder(self) -> str:
        """The last part of the path of the images; what stands above it may name a user."""
        path = self.setting("data.path")
        return PurePath(path.replace("\\", "/")).name if isinstance(path, str) else ""


def card_facts(folder: RunFolder) -> CardFacts:
    """Read what a model card says.

    Raises:
        RunError: this is not the folder of a finished run, or a file of it is damaged.
    """
    card = folder.read_card()
    together = FoldsFolder(folder.path)
    members = together.members(card.folds) if card.folds else []
    source = members[0] if members else folder
    rows = read_run_table(source.samples) if source.samples.is_file() else []
    used = [row for row in rows if row.get("status") == "used"]
    environment = read_environment(source)
    settings = without_secrets(environment.get("settings"))
    text = _text_of(together.recipe) if members else folder.recipe_text()
    return CardFacts(
        name=folder.path.resolve().name,
        card=card,
        metrics={} if members else _metrics(folder),
        folds=[each for member in members if (each := _metrics(member).get("validation"))],
        images=_images(used, whole=bool(members)),
        classes={} if card.task == "segmentation" else _classes(used, whole=bool(members)),
        set_aside=Counter(_kind(row.get("reason", "")) for row in rows if row.get("status") == "set aside"),
        grouped=any(row.get("group") for row in used),
        settings=settings if isinstance(settings, dict) else {},
        environment=environment,
        exports=export_rows(folder),
        recipe=_SEAL.sub("", toml_without_secrets(text)),
        digest=file_digest(folder.model) if folder.model.is_file() and not folder.model.is_symlink() else "",
    )


def _text_of(recipe: Path) -> str:
    return read_run_file(recipe, MAX_RECIPE_BYTES).decode("utf-8", "replace")


def _metrics(folder: RunFolder) -> dict[str, Mapping[str, Any]]:
    content = folder.read_json(folder.metrics) if folder.metrics.is_file() else {}
    found = content if isinstance(content, dict) else {}
    return {split: found[split] for split in ("validation", "test") if isinstance(found.get(split), dict)}


def _split_of(row: Mapping[str, str], whole: bool) -> str:
    return "all" if whole else row.get("split", "")


def _images(used: Sequence[Mapping[str, str]], *, whole: bool) -> dict[str, int]:
    counted = Counter(_split_of(row, whole) for row in used)
    return {split: counted[split] for split in ("all", *SPLITS) if counted[split]}


def _classes(used: Sequence[Mapping[str, str]], *, whole: bool) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {}
    for row in used:
        names = [name for name in row.get("label", "").split("|") if name]
        counted.setdefault(_split_of(row, whole), Counter()).update(names)
    return {split: dict(counted[split]) for split in ("all", *SPLITS) if split in counted}


def _kind(reason: str) -> str:
    """Return what a reason has in common with those of other files."""
    return reason.split(":")[0].strip() or "no reason recorded"


def number(values: Mapping[str, Any], name: str) -> float | None:
    """Return a number of a table of metrics; None if it is missing or of another type."""
    value = values.get(name)
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a table in a table of metrics; empty if it is missing or of another type."""
    value = values.get(name)
    return value if isinstance(value, Mapping) else {}


def interval(values: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """Return the 95 % interval of a metric; None if it has none."""
    bounds = part(values, "intervals").get(name)
    if isinstance(bounds, list) and len(bounds) == 2 and all(isinstance(each, int | float) for each in bounds):
        return float(bounds[0]), float(bounds[1])
    return None


def numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the names and values of those metrics that are fractions or losses; counts are left out."""
    for name, value in values.items():
        if isinstance(value, float):
            yield name, value


def scores(facts: CardFacts) -> dict[str, tuple[float, float | None]]:
    """Return class → (its score, how many images of it were measured): F1, or IoU without a number of images."""
    if facts.card.task == "segmentation":
        iou = part(facts.judged, "iou")
        return {name: (value, None) for name in iou if (value := number(iou, name)) is not None}
    found: dict[str, tuple[float, float | None]] = {}
    for name, row in part(facts.judged, "per_class").items():
        if isinstance(row, Mapping) and (support := number(row, "support")) and (f1 := number(row, "f1")) is not None:
            found[name] = (f1, support)
    return found
