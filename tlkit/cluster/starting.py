"""Start a Ray cluster of this machine's processors or join one, quietly, and leave the process as it was."""

from __future__ import annotations

import gc
import math
import os
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tlkit.cluster.options import AUTO, LOCAL, ClusterOptions
from tlkit.cluster.reaching import check_address, port_hint, token_hint
from tlkit.cluster.versions import check_versions
from tlkit.errors import DataError
from tlkit.system.disk import temporary_folder
from tlkit.system.gpus import known_gpus
from tlkit.system.import_path import import_path
from tlkit.system.parallel import usable_processors

_STORE = 200_000_000
"""Bytes of the object store of a local cluster: images and features are shared as files, not in it."""
_STARTS = 2
"""Attempts to start Ray, which gives up after 30 s, as on a busy machine."""
_LONGEST = 24
"""Bytes of the path of a temporary folder in which Ray can make its own and its sockets."""
_FOR_WORKERS = (
    *("TLKIT_CACHE", "TLKIT_CONFIG", "TLKIT_PLUGINS", "KERAS_HOME", "XDG_CACHE_HOME", "TF_CPP_MIN_LOG_LEVEL"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS", "OMP_NUM_THREADS"),
)
"""The environment variables that workers on other machines get from this process."""


def for_workers() -> dict[str, str]:
    """Return the environment variables that workers get, so that they import what this process imports."""
    given = {name: os.environ[name] for name in _FOR_WORKERS if name in os.environ}
    # Ray would set it to the processors of a task, and the bits of a result may depend on it.
    given.setdefault("OMP_NUM_THREADS", str(usable_processors()))
    return given | {"PYTHONPATH": os.pathsep.join(import_path()), "PYTHONSAFEPATH": "1"}


def check_reached(options: ClusterOptions) -> None:
    """Check that a cluster answers; of one of this machine's processors, that a worker may have what it is given.

    Raises:
        DataError: it does not, or a worker may not.
    """
    if options.address == LOCAL:
        _check_machine(options)
    if options.address == AUTO and "RAY_ADDRESS" in os.environ:
        check_address(os.environ["RAY_ADDRESS"])
    elif options.address not in (AUTO, LOCAL):
        check_address(options.address)


def _check_machine(options: ClusterOptions) -> None:
    processors, gpus = usable_processors(), known_gpus()
    here = f"--cluster {options.address}: a worker is to have"
    if options.cpus > processors:
        raise DataError(
            f"{here} {options.cpus:g} processors (cluster.cpus), and this machine has {processors}; expected at most "
            "as many"
        )
    if gpus is not None and options.gpus > gpus:
        hidden = " that this process may use (CUDA_VISIBLE_DEVICES)" if "CUDA_VISIBLE_DEVICES" in os.environ else ""
        raise DataError(
            f"{here} {options.gpus:g} GPUs (cluster.gpus), and this machine has {gpus or 'none'}{hidden}; expected at "
            "most as many"
        )


def leave(ray: Any) -> None:
    """Leave the cluster, and end one that was started."""
    ray.shutdown()
    with warnings.catch_warnings():
        # Ray ends its processes and forgets them, which Python warns of.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def begin(ray: Any, options: ClusterOptions, folder: Path, *, any_versions: bool = False) -> None:
    """Join the cluster, or start one.

    Args:
        ray: the package.
        options: which cluster.
        folder: the temporary folder of a cluster that is started.
        any_versions: whether its machines may have other versions than this process.

    Raises:
        DataError: it can't be reached, or has other versions.
    """
    own: dict[str, Any] = {}
    if options.address == LOCAL:
        own = {
            "num_cpus": max(usable_processors(), math.ceil((options.workers or 0) * options.cpus)),
            "object_store_memory": _STORE,
            "include_dashboard": False,
            "_temp_dir": str(folder),
        }
    check_reached(options)
    for attempt in range(_STARTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.init(address=options.address, log_to_driver=False, logging_level="ERROR", **own)
            break
        except Exception as error:  # of many classes; a start that takes 30 s on a busy machine is a bare Exception
            if attempt == _STARTS - 1 or options.address != LOCAL:
                what = "started; on a very busy machine, try again later" if options.address == LOCAL else "joined"
                hint = token_hint(error) or port_hint(options.address)
                raise DataError(f"--cluster {options.address}: can't be {what}: {error}{hint}") from error
    if options.address != LOCAL and not any_versions:
        check_versions(ray, options.address, for_workers())


@contextmanager
def short_folder() -> Iterator[Path]:
    """Make a temporary folder, with a short path: Ray's sockets are in it, and their paths are limited to 107 bytes."""
    long = len(os.fsencode(tempfile.gettempdir())) > _LONGEST
    with temporary_folder("/tmp" if long and os.name == "posix" else None) as folder:
        yield folder


@contextmanager
def inherited(options: ClusterOptions) -> Iterator[None]:
    """Have a cluster that is started within the context inherit what its workers need."""
    before = dict(os.environ)
    try:
        if options.address == LOCAL:
            os.environ.update(for_workers())
        yield
    finally:
        for name in for_workers():
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Keep this process's handlers of signals, which Ray replaces."""
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
