"""What a user asks to be exported: which files, in which formats, to which places."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import ValidationError

from tlkit.boundary.guard import options_code
from tlkit.contracts import Exporter, InputType, Options, Quantization
from tlkit.errors import DataError
from tlkit.exports.formats import check_installed, check_quantization, exporter_named, what_is_missing
from tlkit.exports.staging import check_target
from tlkit.recipe.messages import Place, problems_of
from tlkit.registry import Registry

ALL = "all"


@dataclass(frozen=True)
class Asked:
    """One file that is to be written.

    Args:
        exporter: the format.
        quantize: the quantization; None for float32.
        input_type: the type of the images that the file takes.
        target: the file.
        options: the options of the exporter.
        overwrite: replace a file that exists.
    """

    exporter: Exporter
    quantize: Quantization | None
    input_type: InputType
    target: Path
    options: Options
    overwrite: bool = False

    @property
    def title(self) -> str:
        """The format and the quantization, as in messages."""
        return self.exporter.name + (f" {self.quantize}" if self.quantize else "")


@dataclass(frozen=True)
class Wishes:
    """What is asked of an export, as a user gives it.

    Args:
        format: the name of a format, or ``all``.
        quantize: a quantization; ``all``: float32 and each that a format has; None for float32.
        input_type: the type of the images that the files take.
        out: the file to write; None for one in ``folder``.
        options: the options of the exporter.
        overwrite: replace files that exist.
        folder: the folder of files without ``out``.
    """

    format: str
    quantize: str | None
    input_type: str
    out: Path | None
    options: Mapping[str, Any]
    overwrite: bool
    folder: Path


def asked_files(wishes: Wishes, registry: Registry) -> tuple[list[Asked], list[str]]:
    """Return which files are to be written, and remarks about formats that are left out.

    Raises:
        DataError: there is no such format, quantization or option, a package is missing, or a file is in the way.
    """
    if wishes.input_type not in get_args(InputType):
        raise DataError(f"input: expected uint8 or float32; received {wishes.input_type!r:.40}")
    known = (*get_args(Quantization), ALL, None)
    if wishes.quantize not in known:
        raise DataError(f"quantize: expected one of {', '.join(map(str, known))}; received {wishes.quantize!r:.40}")
    several = ALL in (wishes.format, wishes.quantize)
    if several and wishes.out is not None:
        raise DataError(f"--out {wishes.out}: names one file, and several are to be written; leave it out")
    if wishes.format == ALL and wishes.options:
        raise DataError("--set: the options are those of one format; expected --format NAME")
    if wishes.format != ALL:
        exporter = exporter_named(registry, wishes.format)
        check_installed(exporter, writes=True)
        exporters: list[Exporter] = [exporter]
        notes: list[str] = []
    else:
        exporters, notes = _installed(registry)
    asked = [
        _one(wishes, exporter, each)
        for exporter in exporters
        for each in _quantizations(exporter, wishes.quantize, skip=wishes.format == ALL)
    ]
    if not asked:
        raise DataError("; ".join([f"no installed format has the quantization {wishes.quantize}", *notes]))
    return asked, notes


def _installed(registry: Registry) -> tuple[list[Exporter], list[str]]:
    exporters, notes = [], []
    for exporter in (registry.find(Exporter, name) for name in registry.names(Exporter)):
        missing = what_is_missing(exporter, writes=True)
        if missing:
            notes.append(f"left out: {missing}")
        else:
            exporters.append(exporter)
    if not exporters:
        raise DataError("; ".join(["there is no format to export to", *notes]))
    return exporters, notes


def _quantizations(exporter: Exporter, quantize: str | None, *, skip: bool) -> list[Quantization | None]:
    if quantize == ALL:
        return [None, *exporter.quantizations]
    chosen = cast("Quantization | None", quantize)
    if skip and chosen is not None and chosen not in exporter.quantizations:
        return []
    check_quantization(exporter, chosen)
    return [chosen]


def _one(wishes: Wishes, exporter: Exporter, quantize: Quantization | None) -> Asked:
    input_type = cast("InputType", wishes.input_type)
    target = wishes.out or wishes.folder / default_name(exporter, quantize, input_type)
    if not target.name.lower().endswith(exporter.suffix.lower()):
        raise DataError(f"--out {target}: expected a name that ends with {exporter.suffix}")
    check_target(target, exporter.member, overwrite=wishes.overwrite)
    return Asked(exporter, quantize, input_type, target, _options(exporter, wishes.options), wishes.overwrite)


def default_name(exporter: Exporter, quantize: Quantization | None, input_type: InputType) -> str:
    """Return the name of a file in the folder of a run's exports, such as ``model-int8.onnx``."""
    parts = ["model" if exporter.suffix else exporter.name, quantize or ""]
    parts.append("from-float32" if input_type == "float32" else "")
    return "-".join(filter(None, parts)) + exporter.suffix


def _options(exporter: Exporter, values: Mapping[str, Any]) -> Options:
    """Return the options of an exporter.

    Raises:
        DataError: they have no such key, or a value is not valid.
    """
    with options_code(exporter, (ValidationError,)):
        try:
            return exporter.options.model_validate_json(json.dumps(dict(values), default=str))
        except ValidationError as error:
            place = Place("", f'option of format "{exporter.name}"', list(exporter.options.model_fields), {})
            problems = problems_of(error, values, exporter.options, place)
            raise DataError("\n".join(f"--set {each}" for each in problems)) from error
