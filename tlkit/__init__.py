"""tlkit: transfer learning from a recipe. This module is the public API; importing it imports nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlkit import files
    from tlkit.contracts import (
        IGNORE,
        AnyCurve,
        AnyEarlyStop,
        AnyOptimizer,
        Augmentation,
        AugmentContext,
        Backbone,
        BackboneContext,
        BackboneOptions,
        BatchNormPolicy,
        Block,
        BuiltBackbone,
        Constant,
        Cosine,
        Dataset,
        DatasetContext,
        EarlyStop,
        Head,
        HeadContext,
        MaskTable,
        Optimizer,
        Options,
        Outline,
        Phase,
        Plateau,
        PretrainedFile,
        ReportSection,
        Sample,
        SampleSet,
        Schedule,
        SetAside,
        Split,
        Step,
    )
    from tlkit.errors import DataError, PluginError, Problem, RecipeError, RunError, TlkitError
    from tlkit.hookspecs import hookimpl
    from tlkit.jobs.api import check, compare, evaluate, load, resume, run
    from tlkit.system.fetch import download

__version__ = "0.1.0"

__all__ = [
    "IGNORE",
    "AnyCurve",
    "AnyEarlyStop",
    "AnyOptimizer",
    "AugmentContext",
    "Augmentation",
    "Backbone",
    "BackboneContext",
    "BackboneOptions",
    "BatchNormPolicy",
    "Block",
    "BuiltBackbone",
    "Constant",
    "Cosine",
    "DataError",
    "Dataset",
    "DatasetContext",
    "EarlyStop",
    "Head",
    "HeadContext",
    "MaskTable",
    "Optimizer",
    "Options",
    "Outline",
    "Phase",
    "Plateau",
    "PluginError",
    "PretrainedFile",
    "Problem",
    "RecipeError",
    "ReportSection",
    "RunError",
    "Sample",
    "SampleSet",
    "Schedule",
    "SetAside",
    "Split",
    "Step",
    "TlkitError",
    "check",
    "compare",
    "download",
    "evaluate",
    "files",
    "hookimpl",
    "load",
    "resume",
    "run",
]


_ELSEWHERE = {
    **dict.fromkeys(("check", "compare", "evaluate", "load", "resume", "run"), "jobs.api"),
    "download": "system.fetch",
    "hookimpl": "hookspecs",
    **dict.fromkeys(("DataError", "PluginError", "Problem", "RecipeError", "RunError", "TlkitError"), "errors"),
}
"""The module below tlkit that a public name is of, where that is not ``contracts``."""


def __getattr__(name: str) -> Any:
    if name == "files":
        return import_module("tlkit.files")
    if name not in __all__:
        raise AttributeError(f"module 'tlkit' has no attribute {name!r}")
    value = getattr(import_module(f"tlkit.{_ELSEWHERE.get(name, 'contracts')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
