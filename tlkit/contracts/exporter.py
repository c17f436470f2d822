"""Exporters: formats in which a trained model leaves, each with the runtime that runs its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tlkit.contracts.base import ImageSize
from tlkit.contracts.options_class import ANY_OPTIONS, OptionsClass

if TYPE_CHECKING:
    import numpy as np

InputType = Literal["uint8", "float32"]
"""The number format in which an exported model takes its images; values 0-255 in both."""

Quantization = Literal["float16", "dynamic", "int8", "int16x8"]
"""How the numbers of a model are made smaller."""


@dataclass(frozen=True)
class ExportContext:
    """A trained model that an exporter writes.

    Args:
        model: the Keras model in inference mode, raw RGB float32 (N, H, W, 3) in 0-255 → logits.
        function: a ``tf.function`` with one concrete signature: ``images`` (N, H, W, 3) of type ``input_type``, any N,
            → ``{"logits": float32, "probabilities": float32}``, both (N, …). It includes the preprocessing.
        save: writes ``function`` into a folder as a SavedModel, with the signature ``serving_default``.
        image_size: (H, W) in pixels.
        input_type: the type of ``images``.
        quantize: the quantization that the user asked for; None for float32.
        images: uint8 (N, H, W, 3), images of the run's training split, to calibrate a quantization; empty without one.
        metadata: key → text to keep inside the file, so that ``ExportedModel.metadata`` returns it.
        scratch: an empty folder for temporary files.
    """

    model: Any
    function: Any
    save: Callable[[Path], None]
    image_size: ImageSize
    input_type: InputType
    quantize: Quantization | None
    images: np.ndarray
    metadata: Mapping[str, str]
    scratch: Path

    @cached_property
    def saved_model(self) -> Path:
        """A folder beside ``scratch`` that holds the SavedModel; written when it is first asked for."""
        folder = self.scratch.with_name("saved_model")
        self.save(folder)
        return folder


@dataclass(frozen=True)
class ExportedModel:
    """An exported file that its runtime has opened.

    Args:
        run: ``run(images)`` → ``{"logits": …, "probabilities": …}``, float32 (N, …). ``images`` is uint8 (N, H, W, 3);
            a file that takes float32 is given the same values as float32. One thread calls it at a time.
        metadata: the texts that are inside the file; they may be someone else's.
        precision: the number format in which the runtime multiplies on this processor, as the runtime reports it.
        runtime: the runtime and its version, such as ``ONNX Runtime 1.32.0``.
    """

    run: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    metadata: Mapping[str, str]
    precision: str
    runtime: str


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """A format in which a trained model leaves, and the runtime that runs such files.

    Args:
        name: the name in ``tlkit export RUN --format NAME``.
        summary: one line for ``tlkit plugins``.
        options: class of its options, given as ``--set KEY=VALUE``; or ``lazy`` of one.
        suffix: how the files end, such as ``.onnx``; empty if the format is a folder.
        member: a file of this name in a folder says that the folder is of this format; empty for a single file.
        quantizations: the quantizations that it supports.
        writes_with: the modules that ``write`` imports, beyond tlkit's own dependencies.
        runs_with: the modules that ``open`` imports, beyond tlkit's own dependencies; and ``tensorflow`` or ``keras``
            where it needs one of these, which tlkit then starts before it calls ``open``.
        extra: what to install when one of them is missing, such as ``tlkit[onnx]``.
        write: ``write(ctx, path, options)``: writes ``path``, and if need be other files with the same stem beside it.
            Raises ``DataError`` if the format can't express the model; the message says why.
        open: ``open(path, threads)`` → ``ExportedModel``. Raises ``DataError`` if the runtime can't run the file.
        check: ``check(path)``: raises ``DataError`` if running the file could do more than compute. Called before
            ``open`` on a file that may be someone else's, unless the user trusts it. None: such files need ``--trust``.
        snippet: lines of Python that need only NumPy and the runtime. They use ``FILE``, the file's path, and
            ``images``, an array (1, H, W, 3) of the file's input type, and set ``probabilities``, (1, …), and
            ``metadata``, a dict of the texts inside the file.
    """

    name: str
    summary: str
    options: OptionsClass = ANY_OPTIONS
    suffix: str
    member: str = ""
    quantizations: tuple[Quantization, ...] = ()
    writes_with: tuple[str, ...] = ()
    runs_with: tuple[str, ...] = ()
    extra: str = "tlkit"
    write: Callable[[ExportContext, Path, Any], None]
    open: Callable[[Path, int], ExportedModel]
    check: Callable[[Path], None] | None = None
    snippet: str
