"""The folder of a cross-validation: a run folder per fold, their results together, and the ensemble of their models."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from tlkit.contracts import Split
from tlkit.errors import DataError, RunError
from tlkit.runs.card import Card
from tlkit.runs.checksums import file_digest
from tlkit.runs.folder import RunFolder

_SHARED = ("task", "classes", "label_kind", "image_size", "resize", "value_range", "bands", "orientation")
"""What the cards of models must have in common for one decoded image to fit all of them."""
_FOLD = re.compile(r"fold-([1-9][0-9]{0,4})\.csv")


@dataclass(frozen=True)
class FoldsFolder:
    """The paths of the folder that ``tlkit run --folds`` writes.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe of all folds, without the splits of a fold; written once the splits of all folds are there."""
        return self.path / "folds.toml"

    @property
    def results(self) -> Path:
        """The metrics of all folds, with their mean and standard deviation."""
        return self.path / "folds.json"

    @property
    def predictions(self) -> Path:
        """For classification: the prediction of each image by the model that did not train on it."""
        return self.path / "predictions.csv"

    def splits(self, number: int) -> Path:
        """Return the table of the splits of a fold."""
        return self.path / f"fold-{number}.csv"

    def log(self, number: int) -> Path:
        """Return what the process of a fold printed."""
        return self.path / f"fold-{number}.log"

    def fold(self, number: int) -> RunFolder:
        """Return the run folder of a fold."""
        return RunFolder(self.path / f"fold-{number}")

    @property
    def together(self) -> RunFolder:
        """Return the folder as that of the models of all folds together: ``model.json`` and ``report.html``."""
        return RunFolder(self.path)

    @property
    def count(self) -> int:
        """The number of folds; 0 if this is no such folder."""
        if not self.recipe.is_file():
            return 0
        return max((int(match[1]) for each in self.path.iterdir() if (match := _FOLD.fullmatch(each.name))), default=0)

    def folds(self) -> list[RunFolder]:
        """Return the run folders of all folds, whether they exist or not."""
        return [self.fold(number) for number in range(1, self.count + 1)]

    def members(self, names: tuple[str, ...]) -> list[RunFolder]:
        """Return the run folders that a card lists as the models of an ensemble.

        Raises:
            RunError: one of them is a link or is missing.
        """
        for name in names:
            path = self.path / name
            if path.is_symlink() or not path.is_dir():
                problem = "is a link; tlkit only reads folders in it" if path.is_symlink() else "is missing"
                raise RunError(f"{self.path}: its model is an ensemble of {len(names)} folds, but {name} {problem}")
        return [RunFolder(self.path / name) for name in names]


def difference(card: Card, other: Card) -> str | None:
    """Return the name of something that keeps two models from being used together; None if nothing does."""
    return next((name for name in _SHARED if getattr(card, name) != getattr(other, name)), None)


def run_with_data(folder: RunFolder, card: Card) -> RunFolder:
    """Return the run folder that says how a model's own data is read: the folder itself, or its first fold."""
    return FoldsFolder(folder.path).members(card.folds)[0] if card.folds else folder


def split_to_measure(card: Card, split: Split | None) -> Split | None:
    """Return the split of its own data to measure a model on, None for that of a single model's choice.

    Raises:
        DataError: it is a split on which the folds of a cross-validation were trained.
    """
    if not card.folds:
        return split
    if split in ("train", "validation"):
        raise DataError(
            f"--split {split}: all but one of these {len(card.folds)} folds trained on each of these images; expected "
            "test, or other data. folds.json has the metrics of each fold on the images that it did not train on"
        )
    return "test"


def run_digest(folder: RunFolder, card: Card) -> str:
    """Return ``sha256:`` and the SHA-256 of a run's model file; of a cross-validation, of those of its folds."""
    members = FoldsFolder(folder.path).members(card.folds) if card.folds else [folder]
    digests = []
    for each in members:
        if not each.model.is_file():
            raise RunError(f"{each.model}: no such file; the run has not finished, or the file was removed")
        digests.append(file_digest(each.model))
    if len(digests) == 1:
        return f"sha256:{digests[0]}"
    return f"sha256:{hashlib.sha256(''.join(digests).encode()).hexdigest()}"
