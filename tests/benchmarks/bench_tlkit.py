"""What is measured of tlkit; each function runs in a process of its own and returns plain values."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any


class _Trained(BaseException):
    """Training has ended, and what comes after it is not measured."""


def run(
    recipe: str,
    out: str,
    *,
    whole: bool = False,
    plugins: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """``tlkit run``: how long its training part took, and how much memory it had at the most.

    The training part is what the run does from the first decode to the end of the last epoch, without the building
    of the network in between.

    Args:
        recipe: file of the recipe.
        out: the run folder.
        whole: go on after the training: save, evaluate, draw.
        plugins: plugin files to load.
        settings: keys of the recipe and what they are set to.

    Returns:
        ``decode_seconds``, ``train_seconds`` (from the beginning of the phase's preparation to the end of the last
        epoch), ``training_seconds`` (their sum), ``first_seconds`` (until the first epoch ended) and
        ``epoch_seconds`` (of each epoch), ``max_rss`` and ``max_anonymous`` (bytes, at the end of the training and
        at the end), ``kept_bytes`` (of decoded images and features).
    """
    memory = _Memory()
    memory.start()
    from tlkit.system.tensorflow import start_tensorflow

    start_tensorflow()
    import imagehash  # noqa: F401 - imported here so that its time is not the training's
    import keras
    import sklearn.model_selection  # noqa: F401 - the same

    import tlkit.data.prepare
    import tlkit.train.loop  # noqa: F401
    from tlkit.cli import main
    from tlkit.jobs import finish, stages
    from tlkit.system.cache import cache_entries

    times: dict[str, Any] = {"epoch_seconds": []}

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            now = time.perf_counter()
            times["epoch_seconds"].append(now - self.began)
            times["train_seconds"] = now - times["train_began"]
            times.setdefault("first_seconds", times["train_seconds"])

    read_data, build_network = stages.read_data, stages.build_network
    prepare_training, train, plugin_callbacks = finish.prepare_training, finish.train, finish.plugin_callbacks

    def timed_read_data(*arguments: Any) -> Any:
        times["decode_began"] = time.perf_counter()
        return read_data(*arguments)

    def timed_build_network(*arguments: Any) -> Any:
        times["decode_seconds"] = time.perf_counter() - times.pop("decode_began")
        return build_network(*arguments)

    def timed_prepare_training(*arguments: Any) -> Any:
        times["train_began"] = time.perf_counter()
        return prepare_training(*arguments)

    def timed_train(*arguments: Any) -> Any:
        best = train(*arguments)
        times["trained"] = memory.peaks()
        if not whole:
            raise _Trained
        return best

    def clocked_callbacks(*arguments: Any) -> list[Any]:
        return [*plugin_callbacks(*arguments), Clock()]

    stages.read_data, stages.build_network = timed_read_data, timed_build_network
    finish.prepare_training, finish.train = timed_prepare_training, timed_train
    finish.plugin_callbacks = clocked_callbacks
    try:
        loaded = chain.from_iterable(("--plugin", each) for each in plugins)
        changed = chain.from_iterable(("--set", f"{key}={value}") for key, value in (settings or {}).items())
        main([*loaded, "run", recipe, *changed, "--out", out])
    except _Trained:
        pass
    except SystemExit as end:
        if end.code:
            raise
    del times["train_began"]
    times["training_seconds"] = times["decode_seconds"] + times["train_seconds"]
    kept = sum(each.size for each in cache_entries())
    return {**times, "ended": memory.peaks(), "kept_bytes": kept}


def predict(run: str, folder: str, batch: int) -> dict[str, Any]:
    """What ``tlkit predict`` does with the JPEGs of a folder, after a batch for warming up.

    Returns:
        ``images`` and ``seconds``.
    """
    import tlkit
    from tlkit.evaluation.predictor import find_images

    predictor = tlkit.load(run)
    files = [each.path for each in find_images(folder)]
    list(predictor.predict_files(files[:batch], batch_size=batch))
    began = time.perf_counter()
    failed = [each.error for each in predictor.predict_files(files, batch_size=batch) if each.error]
    seconds = time.perf_counter() - began
    if failed:
        raise RuntimeError(f"{len(failed)} files could not be predicted: {failed[0]}")
    return {"images": len(files), "seconds": seconds}


class _Memory(threading.Thread):
    """Looks every 50 ms how much anonymous memory the process has: pages of mapped files don't count in it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._status = Path("/proc/self/status")
        self._anonymous = 0

    def run(self) -> None:
        while self._status.is_file():
            self._look()
            time.sleep(0.05)

    def _look(self) -> None:
        for line in self._status.read_text().splitlines():
            if line.startswith("RssAnon:"):
                self._anonymous = max(self._anonymous, 1024 * int(line.split()[1]))

    def peaks(self) -> dict[str, int | None]:
        """Bytes; ``max_anonymous`` is None where the system doesn't tell."""
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return {"max_rss": most, "max_anonymous": self._anonymous or None}
