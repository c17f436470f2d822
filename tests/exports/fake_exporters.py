"""A plugin with a tiny format: the weights of a linear classifier in a JSON file, which NumPy runs.

The network is ``average colour of the image → dense layer``, so a file of a few lines can be right, or wrong in one way
at a time.
"""

from __future__ import annotations

from pathlib import Path

FAKE = '''
import json
import os
import signal
import time
from pathlib import Path

import numpy as np

import tlkit

WRONG = {wrong!r}


class Opts(tlkit.Options):
    """Options of the tiny format."""

    note: str = ""


def probe(ctx):
    """Return the weights of the network, found by asking the function."""
    height, width = ctx.image_size
    base = np.zeros((4, height, width, 3), ctx.input_type)
    for channel in range(3):
        base[channel + 1, ..., channel] = 200
    logits = np.asarray(ctx.function(base)["logits"], np.float64)
    return (logits[1:] - logits[0]) / 200, logits[0]


def write(ctx, path, options):
    weights, bias = probe(ctx)
    if WRONG == "raises":
        raise RuntimeError("the converter broke")
    if WRONG == "inexpressible":
        raise tlkit.DataError("it has no operation for this")
    if WRONG == "disk":
        path.write_text("half of it")
        raise OSError(28, "No space left on device", str(path))
    if WRONG == "interrupt":
        path.write_text("half of it")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
    if WRONG == "nothing":
        return
    metadata = dict(ctx.metadata)
    if WRONG == "stretched":
        metadata["resize"] = "stretch"
    if WRONG == "no texts":
        metadata = {{}}
    content = dict(weights=weights.tolist(), bias=bias.tolist(), metadata=metadata, note=options.note)
    content["images"] = len(ctx.images)
    path.write_text(json.dumps(content))
    if WRONG == "other names":
        (path.parent / "strange.txt").write_text("x")
    if WRONG == "beside":
        path.with_suffix(".bin").write_text("x")


def activated(logits):
    if logits.shape[1] == 1:
        second = 1 / (1 + np.exp(-logits))
        return np.concatenate([1 - second, second], 1)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def open_file(path, threads):
    if WRONG == "refuses":
        raise tlkit.DataError("the runtime can't run it")
    if WRONG == "prints":
        os.write(1, b"a runtime that prints to standard output\\n")
    content = json.loads(path.read_text())
    weights, bias = np.array(content["weights"]), np.array(content["bias"])

    def run(images):
        if WRONG == "signal":
            os.write(2, b"about to crash\\n")
            os.kill(os.getpid(), signal.SIGSEGV)
        if WRONG == "hangs":
            time.sleep(100)
        if WRONG == "exits":
            os._exit(3)
        images = np.asarray(images, np.float64)
        if WRONG == "one at a time" and len(images) > 1:
            raise ValueError("this file takes one image at a time")
        if WRONG == "squeezed picture":
            images = images[:, :, : images.shape[2] // 2]
        logits = images.mean((1, 2)) @ weights + bias
        if WRONG == "float16":
            logits = logits * 1.02
        if WRONG == "garbage":
            logits = logits[:, ::-1]
        if WRONG == "nan":
            logits = logits * np.nan
        if WRONG == "shapes":
            logits = logits[:, :-1]
        probabilities = activated(logits)
        if WRONG == "logits for probabilities":
            probabilities = logits
        outputs = dict(logits=logits.astype(np.float32), probabilities=probabilities.astype(np.float32))
        if WRONG == "names":
            outputs = dict(output_0=outputs["probabilities"])
        return outputs

    if WRONG == "changes its file":
        path.write_text(path.read_text() + " ")
    precision = "bf16" if WRONG == "bfloat16" else "float32"
    return tlkit.ExportedModel(run=run, metadata=content["metadata"], precision=precision, runtime="NumPy")


def check(path):
    if path.stat().st_size > 1_000_000:
        raise tlkit.DataError(f"{{path}}: is too large")


@tlkit.hookimpl
def tlkit_exporters():
    return [
        tlkit.Exporter(
            name="tiny",
            summary="A few numbers as JSON.",
            options=Opts,
            suffix=".tiny",
            quantizations=("float16", "int8", "int16x8"),
            runs_with={runs_with!r},
            extra="tlkit[tiny]",
            write=write,
            open=open_file,
            check={check},
            snippet="",
        )
    ]
'''


def write_fake(folder: Path, wrong: str = "", *, runs_with: tuple[str, ...] = (), check: str = "check") -> Path:
    """Write the plugin to a folder.

    Args:
        folder: the folder.
        wrong: what is wrong with the format; empty if nothing is.
        runs_with: the packages that it says it needs.
        check: the name of the function that checks a stranger's file, or ``None``.
    """
    file = folder / "fake_exporters.py"
    file.write_text(FAKE.format(wrong=wrong, runs_with=runs_with, check=check), encoding="utf-8")
    return file
