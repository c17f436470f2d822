"""What plugins and the core exchange: frozen records, typed options and plain data. Imports nothing heavy.

Plugins return values and the core acts on them: a schedule returns phases, a head returns a tensor, an augmentation
returns a function on a batch, a data set returns a list of samples, an exporter writes a file.

A record (``Backbone``, ``Head``, ``Augmentation``, ``Schedule``, ``Dataset``, ``Exporter``) names a plugin's
functions and its options. The core calls a function with a context, which says what it is for, and with the recipe's
options. Name the function with ``lazy`` if its module imports TensorFlow or Keras.
"""

from __future__ import annotations

from tlkit.contracts.augmentation import Augmentation, AugmentContext
from tlkit.contracts.backbone import Backbone, BackboneContext, BackboneOptions, Block, BuiltBackbone, PretrainedFile
from tlkit.contracts.base import IGNORE, ImageSize, LabelKind, Options, Split, Task, named, tuples
from tlkit.contracts.dataset import (
    Dataset,
    DatasetContext,
    Detected,
    DrawnMask,
    MaskChannel,
    MaskTable,
    MaskValue,
    Sample,
    SampleSet,
    SetAside,
    image_text,
)
from tlkit.contracts.exporter import ExportContext, ExportedModel, Exporter, InputType, Quantization
from tlkit.contracts.head import Head, HeadContext
from tlkit.contracts.lazy import LazyFunction, lazy
from tlkit.contracts.record import Record
from tlkit.contracts.report import ReportSection
from tlkit.contracts.schedule import (
    AnyCurve,
    AnyEarlyStop,
    AnyOptimizer,
    BatchNormPolicy,
    Constant,
    Cosine,
    Curve,
    EarlyStop,
    Optimizer,
    Outline,
    Phase,
    Plateau,
    Schedule,
    Step,
)

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
    "Curve",
    "Dataset",
    "DatasetContext",
    "Detected",
    "DrawnMask",
    "EarlyStop",
    "ExportContext",
    "ExportedModel",
    "Exporter",
    "Head",
    "HeadContext",
    "ImageSize",
    "InputType",
    "LabelKind",
    "LazyFunction",
    "MaskChannel",
    "MaskTable",
    "MaskValue",
    "Optimizer",
    "Options",
    "Outline",
    "Phase",
    "Plateau",
    "PretrainedFile",
    "Quantization",
    "Record",
    "ReportSection",
    "Sample",
    "SampleSet",
    "Schedule",
    "SetAside",
    "Split",
    "Step",
    "Task",
    "image_text",
    "lazy",
    "named",
    "tuples",
]
