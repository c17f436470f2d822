"""tlkit: transfer learning from a recipe. This module is the public API; importing it imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from tlkit.api import load, run
    from tlkit.fetch import download

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
    "download",
    "files",
    "hookimpl",
    "load",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in ("load", "run"):
        from tlkit import api

        return getattr(api, name)
    if name == "download":
        from tlkit.fetch import download

        return download
    raise AttributeError(f"module 'tlkit' has no attribute {name!r}")
