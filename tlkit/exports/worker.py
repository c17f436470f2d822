"""The process in which the gate runs an exported file: it opens the file, and answers images with what the file says.

A runtime may end its process, hang, or change its state, so it is never the process that wrote the file. Nothing
that is sent is a pickle.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from tlkit.contracts import ExportedModel, Exporter
from tlkit.errors import PluginError, TlkitError
from tlkit.exports.formats import check_installed
from tlkit.exports.messages import receive, send
from tlkit.exports.runtime import open_with
from tlkit.registry import VARIABLE, Registry
from tlkit.registry.discovery import add_file, make_registry
from tlkit.system.code_files import read_code_file

_EVERY = 1.0


def main() -> None:
    """Serve one file until standard input ends."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Runtimes print; only answers go to standard output.
    _end_with_parent()
    try:
        opened = _open(receive(requests)[0])
        about = {"precision": opened.precision, "runtime": opened.runtime, "metadata": dict(opened.metadata)}
        send(answers, about)
        while True:
            try:
                _, [images] = receive(requests)
            except EOFError:
                return
            began = time.process_time()
            outputs = opened.run(images)
            seconds = time.process_time() - began
            _answer(answers, outputs, seconds)
    except TlkitError as error:
        send(answers, {"error": str(error)})
    except MemoryError:
        send(answers, {"error": "the memory is exhausted"})


def _open(request: Mapping[str, Any]) -> ExportedModel:
    registry = _registry(request)
    exporter = registry.find(Exporter, request["exporter"])
    check_installed(exporter, writes=False)
    return open_with(exporter, Path(request["path"]), request["threads"])


def _registry(request: Mapping[str, Any]) -> Registry:
    """Return a registry with the plugin that offers the format, and no other."""
    if request["plugin"] is None:
        return make_registry(environ={VARIABLE: request["installed"]})
    registry = Registry()
    file = read_code_file(Path(request["plugin"]))
    if file.digest != request["digest"]:
        raise PluginError(f"{file.path}: was changed while tlkit worked")
    add_file(registry, file)
    return registry


def _answer(answers: IO[bytes], outputs: Any, seconds: float) -> None:
    if not isinstance(outputs, Mapping):
        send(answers, {"error": f"the exporter's run returned {type(outputs).__name__}; expected a dict"})
        return
    arrays = {str(name): np.asarray(each) for name, each in outputs.items()}
    if wrong := next((name for name, each in arrays.items() if each.dtype.kind not in "fiub"), None):
        send(answers, {"error": f"the exporter's run returned {wrong} of type {arrays[wrong].dtype}; expected numbers"})
        return
    found = [each.astype(np.float32) for each in arrays.values()]
    send(answers, {"seconds": seconds, "outputs": list(arrays)}, *found)


def _end_with_parent() -> None:
    """End this process when its parent has ended, even while a runtime computes."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_EVERY)
        os._exit(1)

    threading.Thread(target=watch, name="tlkit-parent", daemon=True).start()


if __name__ == "__main__":
    main()
