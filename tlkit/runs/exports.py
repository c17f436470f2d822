"""``exports.json`` of a run folder: what its model was exported to, and how far each file agrees with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tlkit.contracts import InputType, Quantization
from tlkit.errors import RunError
from tlkit.runs.folder import RunFolder


class Export(BaseModel):
    """One export of a run's model: a file that agrees with the Keras model, or one that was refused and removed.

    Args:
        format: the name of the format.
        quantize: the quantization; None for float32.
        input: the type of the images that the file takes, values 0-255.
        file: its path, relative to the run folder, or absolute outside it; of a refused one, where it would be.
        bytes: its size, with the files that belong to it.
        precision: the number format in which the runtime multiplies on this processor.
        runtime: the runtime and its version.
        images: how many images both models were compared on.
        split: the split of the run that they are in.
        largest_difference: the largest difference of a probability.
        agreement: the share of images for which both give the same class; of pixels for a segmentation, of labels where
            an image has several.
        metric: the metric that is compared: ``accuracy`` or ``mean_iou``.
        metric_keras: its value for the Keras model on these images.
        metric_file: its value for the file.
        ms_keras: CPU milliseconds an image of the Keras model, of all processors together.
        ms_file: the same of the file.
        passed: whether the file was kept.
        reason: why not.
        tlkit: the version of tlkit.
        digest: ``sha256:…`` of the file, or of the names and digests of several that belong together, in the order of
            the names; empty if it was refused.
        time: when, as ISO 8601 in UTC.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: str
    quantize: Quantization | None = None
    input: InputType = "uint8"
    file: str = ""
    bytes: int = 0
    precision: str = ""
    runtime: str = ""
    images: int = 0
    split: str = ""
    largest_difference: float | None = None
    agreement: float | None = None
    metric: str = ""
    metric_keras: float | None = None
    metric_file: float | None = None
    ms_keras: float | None = None
    ms_file: float | None = None
    passed: bool
    reason: str = ""
    tlkit: str = ""
    digest: str = ""
    time: str = ""

    @property
    def key(self) -> tuple[str, str | None, str]:
        """What another export replaces this one by: format, quantization and input."""
        return self.format, self.quantize, self.input

    def path(self, run: Path) -> Path:
        """Return the path of the file.

        Args:
            run: the run folder.
        """
        return run / self.file


class _Exports(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[1] = 1
    exports: tuple[Export, ...] = Field(default=(), max_length=1000)


def read_exports(folder: RunFolder) -> tuple[Export, ...]:
    """Return the exports of a run, in the order of their formats; none if there is no ``exports.json``.

    Raises:
        RunError: the file is damaged.
    """
    if not folder.exports.is_file():
        return ()
    try:
        found = _Exports.model_validate(folder.read_json(folder.exports)).exports
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RunError(f"{folder.exports}: {where}: {first['msg']}; the file is damaged: remove it") from error
    return tuple(each for place, each in enumerate(found) if each.key not in {more.key for more in found[place + 1 :]})


def add_exports(folder: RunFolder, added: Sequence[Export]) -> None:
    """Add exports to ``exports.json``, in place of earlier ones of the same format, quantization and input.

    Raises:
        RunError: the file is damaged.
        OSError: it can't be written.
    """
    by_key = {each.key: each for each in (*read_exports(folder), *added)}
    rows: list[dict[str, Any]] = [each.model_dump(mode="json") for _, each in sorted(by_key.items(), key=_order)]
    folder.write_json(folder.exports, {"exports": rows})


def _order(item: tuple[tuple[str, str | None, str], Export]) -> tuple[str, str, str]:
    (name, quantize, given), _ = item
    return name, quantize or "", given
